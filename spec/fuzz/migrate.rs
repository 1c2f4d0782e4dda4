//! Fuzzes the migration of Compose files: any text is migrated once and for all, or refused.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use ringbolt::labels::migrate::migrate;
use ringbolt::model::{Problem, Slug};

fuzz_target!(|text: &str| -> Corpus {
    static PREFIX: OnceLock<Slug> = OnceLock::new();
    let prefix = PREFIX.get_or_init(|| "ringbolt".parse().expect("it is a slug"));
    let Ok(first) = migrate(text, prefix) else { return Corpus::Keep };
    assert_eq!(first.changed == 0, first.text == text, "the count is wrong: {}", first.changed);
    for (place, finding) in &first.findings {
        let problem = Problem::new(place, &finding.message).key(&finding.key).to_string();
        assert!(!problem.contains(char::is_control), "it can steer a terminal: {problem:?}");
    }
    let second = migrate(&first.text, prefix)
        .unwrap_or_else(|error| panic!("what comes out is refused: {error}\n{}", first.text));
    assert_eq!(second.text, first.text, "it is migrated twice");
    assert_eq!(second.changed, 0, "it is migrated twice");
    Corpus::Keep
});
