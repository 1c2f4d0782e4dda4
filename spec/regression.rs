//! Bugs that were found, each with the case that failed. New ones go to the end.

use ringbolt::engine;
use ringbolt::model::Part;

/// A validator that was fed an empty piece must not take it for the end.
#[test]
fn an_empty_piece_is_no_end() {
    let engine = engine::by_name("postgres").unwrap();
    for format in ["custom", "plain"] {
        let mut validator = engine.validator(&Part::Database("shop".parse().unwrap()), format);
        validator.check(b"").unwrap();
        assert_eq!(validator.finish().unwrap_err().to_string(), "the dump is empty");
    }
}
