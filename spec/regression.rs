//! Bugs that were found, each with the case that failed. New ones go to the end.

use ringbolt::engine;
use ringbolt::labels::migrate::migrate;
use ringbolt::model::{Part, Problem};
use ringbolt::settings::{self, Settings, Written};

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

/// A key of a label stands in the text of some problems, and it came out as it was written.
#[test]
fn no_part_of_a_problem_steers_a_terminal() {
    let hostile = "a\nb\u{1b}[2J\u{202e}\u{2028}c";
    let problem = Problem::new(hostile, format!("`{hostile}` isn't \"…\"")).key(hostile);
    let shown = problem.value(hostile).suggest(Some(hostile)).see(hostile).to_string();
    let escaped = r"a\nb\u{1b}[2J\u{202e}\u{2028}c";
    assert_eq!(
        shown,
        format!(
            "{escaped}: `{escaped}={escaped}`: `{escaped}` isn't \"…\"; did you mean `{escaped}`? \
             (see {escaped})"
        )
    );
}

/// Labels that were written twice were migrated at one place, and the next run found the other.
#[test]
fn a_key_that_is_written_twice_is_left_alone() {
    let twice = "services:\n  db:\n    labels:\n      baktainer.command: x\n    image: y\n    \
                 labels:\n      baktainer.backup: 'true'\n";
    let migrated = migrate(twice, &"ringbolt".parse().unwrap()).unwrap();
    assert_eq!((migrated.text.as_str(), migrated.changed), (twice, 0));
    assert_eq!(migrated.findings.len(), 2, "{:?}", migrated.findings);
}

/// `labels:` went with its last label, and those of a merged service came into force in its place.
#[test]
fn no_merged_labels_take_the_place_of_those_that_went() {
    let base = "x-base: &base\n  labels:\n    ringbolt.enable: 'true'\n";
    let own = "    labels:\n      baktainer.command: x\n";
    for (before, after) in [
        (
            format!("{base}services:\n  db:\n    <<: *base\n{own}"),
            format!("{base}services:\n  db:\n    <<: *base\n    labels: {{}}\n"),
        ),
        (
            format!("{base}services:\n  a: &a\n    image: y\n{own}  b:\n    <<: [*a, *base]\n"),
            format!(
                "{base}services:\n  a: &a\n    image: y\n    labels: {{}}\n  b:\n    \
                 <<: [*a, *base]\n"
            ),
        ),
    ] {
        let migrated = migrate(&before, &"ringbolt".parse().unwrap()).unwrap();
        assert_eq!(migrated.text, after);
    }
}

/// The reader of lists in variables and flags took places of characters for places of bytes.
#[test]
fn a_list_in_a_flag_is_read_as_in_a_file() {
    let read = |list: &str| {
        let store = "stores.a.url=file:///a".to_owned();
        let flags = vec![store, format!("labels.policy.refuse={list}")];
        let written = Written { file: Some("/dev/null".into()), flags, ..Written::default() };
        let refuse = |settings: Settings| Vec::from_iter(settings.labels.policy.refuse);
        settings::read(&written).map(refuse)
    };
    for (list, expected) in [
        (r#"["a", "b"]"#, &["a", "b"][..]),
        (" [ 'a',\n 1, true ] ", &["1", "a", "true"]),
        (r#"["ä\t"]"#, &["ä\t"]),
        (r#"["ää\"ä"]"#, &["ää\"ä"]),
        ("[]", &[]),
    ] {
        let expected = expected.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(read(list), Ok(expected), "{list}");
    }
    let deep = "[".repeat(100_000);
    for list in ["[", "[a]", "[\"a\"", "[\"a\"]\nb = 1", "[\"a\"]\n[b]", "[[\"a\"]]", &deep] {
        assert_eq!(read(list).unwrap_err().len(), 1, "{list:.20}");
    }
}
