//! The fuzzers' dictionaries, which come from the tables. The fuzzers themselves are a package of their
//! own, and nothing here runs them.

use ringbolt::labels::LABELS;
use ringbolt::labels::dialect::DIALECTS;
use ringbolt::settings::SETTINGS;

use crate::tidy::check_generated;

const BEGIN: &str = "# --- from the tables ---";
const END: &str = "# --- by hand ---";
/// Longer words the fuzzer passes over.
const LONGEST: usize = 64;

/// Compares a dictionary with these words.
#[track_caller]
fn check(file: &str, words: impl Iterator<Item = String>) {
    let quoted = |word: String| {
        let escape = |byte: u8| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        };
        format!("\"{}\"\n", word.bytes().map(escape).collect::<String>())
    };
    let words = words.filter(|word| word.len() <= LONGEST).map(quoted);
    check_generated(file, BEGIN, END, &words.collect::<String>());
}

/// The fuzzers' package has a lock of its own, which is not part of the build.
#[test]
fn the_fuzzers_lock_has_every_crate() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let (manifest, lock) = (read("Cargo.toml"), read("spec/fuzz/Cargo.lock"));
    let own = lock.split("[[package]]").find(|own| own.contains("name = \"ringbolt\"\n")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
    let dependencies = dependencies.split("\n[").next().unwrap();
    let crates = dependencies.lines().filter_map(|line| line.split_once(" = "));
    let mut count = 0;
    for (name, _) in crates.filter(|(name, _)| !name.starts_with('#')) {
        let locked = [format!(" \"{name}\","), format!(" \"{name} ")];
        assert!(
            locked.iter().any(|line| own.contains(line)),
            "run `cargo metadata` in spec/fuzz: {name}"
        );
        count += 1;
    }
    assert!(count > 20, "{count}");
}

#[test]
fn the_labels_dictionary_has_every_label_and_its_values() {
    let ours = LABELS.iter().flat_map(|label| {
        let values = label.examples.iter().chain(label.mistakes);
        values.map(|value| format!(".{}={value}\n", label.key))
    });
    let theirs = DIALECTS.iter().filter(|dialect| dialect.prefix == "baktainer.");
    let theirs = theirs.flat_map(|dialect| dialect.rows).map(|row| format!(".{}=", row.key));
    check("spec/fuzz/labels.dict", ours.chain(theirs));
}

#[test]
fn the_settings_dictionary_has_every_setting_in_both_forms() {
    let words = SETTINGS.iter().flat_map(|setting| {
        let key = setting.key.replace("<name>", "local").replace("<label>", "keep");
        let (table, last) = key.rsplit_once('.').unwrap_or_default();
        let variable = format!("{}=", key.to_uppercase().replace('.', "__"));
        let mut words = vec![variable, format!("[{table}]\n"), format!("--set {key}=")];
        let values = setting.examples.iter().chain(setting.mistakes);
        words.extend(values.map(|value| format!("{last} = \"{value}\"\n")));
        words
    });
    check("spec/fuzz/settings.dict", words);
}

#[test]
fn the_migration_s_dictionary_has_every_foreign_label() {
    let theirs = DIALECTS.iter().flat_map(|dialect| {
        dialect.rows.iter().map(|row| format!("{}{}", dialect.prefix, row.key))
    });
    let ours = LABELS.iter().map(|label| format!("ringbolt.{}", label.key));
    check("spec/fuzz/migrate.dict", theirs.chain(ours));
}
