//! Fuzzes the settings: any file, variables and flags are read, or every refusal says something and
//! repeats no secret.
#![no_main]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use ringbolt::labels::Rules;
use ringbolt::model::Problem;
use ringbolt::settings::{self, Written, read};

/// What marks a secret. No input has it of itself: such an input is not looked at.
const PLANTED: &str = "pl4nted-sw0rdf1sh";

/// A secret in the file's first line; every complaint about later lines leaves it alone.
const SECRETS: [&str; 2] = ["encryption.identity = \"", "encryption: {identity: \""];

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((first, rest)) = data.split_first() else { return Corpus::Reject };
    if String::from_utf8_lossy(data).contains(PLANTED) {
        return Corpus::Reject;
    }
    let yaml = usize::from(first.eq_ignore_ascii_case(&b'y'));
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let mut text = parts.next().unwrap_or_default().to_vec();
    if first.is_ascii_uppercase() {
        let end = ["\"\n", "\"}\n"][yaml];
        text = [SECRETS[yaml].as_bytes(), PLANTED.as_bytes(), end.as_bytes(), &text].concat();
    }
    std::fs::write(&files()[yaml], &text).expect("the settings file can be written");
    let mut written = Written { file: Some(files()[yaml].clone()), ..Written::default() };
    for line in parts.next().unwrap_or_default().split(|byte| *byte == b'\n') {
        if let Some(flag) = line.strip_prefix(b"--set ") {
            written.flags.push(String::from_utf8_lossy(flag).into_owned());
        } else if let Some(at) = line.iter().position(|byte| *byte == b'=') {
            written.environment.push(variable(&line[..at], &line[at + 1..]));
        }
    }
    check(&written);
    Corpus::Keep
});

fn files() -> &'static [PathBuf; 2] {
    static FILES: OnceLock<[PathBuf; 2]> = OnceLock::new();
    FILES.get_or_init(|| {
        ["toml", "yaml"].map(|end| {
            let name = format!("ringbolt-fuzz-{}.{end}", std::process::id());
            std::env::temp_dir().join(name)
        })
    })
}

/// A variable of ours. An identity in it is a secret.
fn variable(name: &[u8], value: &[u8]) -> (OsString, OsString) {
    let name = [b"RINGBOLT_", name].concat();
    let mut value = value.to_vec();
    if name.eq_ignore_ascii_case(b"RINGBOLT_ENCRYPTION__IDENTITY") {
        value.extend_from_slice(PLANTED.as_bytes());
    }
    (OsStr::from_bytes(&name).to_owned(), OsStr::from_bytes(&value).to_owned())
}

fn check(written: &Written) {
    let read = read(written);
    match &read {
        Err(problems) => {
            assert!(!problems.is_empty(), "settings are refused and nobody is told why");
            problems.iter().for_each(check_problem);
        }
        Ok(settings) => {
            assert!(!settings.stores.is_empty(), "there is nowhere to write to");
            for shown in settings.effective() {
                assert!(settings::knows(&shown.key), "nobody knows {}", shown.key);
                assert!(!shown.value.contains(PLANTED), "{} shows a secret", shown.key);
            }
            assert!(!format!("{settings:?}").contains(PLANTED), "a secret can be printed");
            if let Err(problems) = Rules::new(settings) {
                assert!(!problems.is_empty(), "labels are refused and nobody is told why");
                problems.iter().for_each(check_problem);
            }
        }
    }
    // A second reading says the same.
    match (read, settings::read(written)) {
        (Ok(first), Ok(second)) => assert_eq!(first.effective(), second.effective()),
        (Err(first), Err(second)) => assert_eq!(first, second),
        _ => panic!("settings are read once and refused once"),
    }
}

fn check_problem(problem: &Problem) {
    let shown = problem.to_string();
    assert!(!shown.contains(char::is_control), "a problem can steer a terminal: {shown:?}");
    assert!(!format!("{problem:?}").contains(PLANTED), "a secret is repeated: {shown}");
    assert!(!problem.message.is_empty(), "a problem says nothing: {shown}");
}
