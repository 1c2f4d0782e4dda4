//! Guards the house: floors, owners of foreign crates, file heads and sizes, banned calls, and
//! generated text that has gone stale.

use std::collections::BTreeMap;
use std::path::Path;

/// Rooms and their floors (DESIGN: a room imports from floors below it, never sideways, never up).
const FLOORS: &[(&str, u8)] = &[
    ("cli", 8),
    ("app", 7),
    ("sidecar", 7),
    ("job", 6),
    ("archive", 5),
    ("pipeline", 4),
    ("transport", 4),
    ("aside", 3),
    ("docker", 3),
    ("history", 3),
    ("store", 3),
    ("labels", 2),
    ("engine", 1),
    ("retention", 1),
    ("schedule", 1),
    ("settings", 1),
    ("model", 0),
];

/// Crates and the only places that may name them.
const OWNERS: &[(&str, &[&str])] = &[
    ("bollard", &["src/docker/"]),
    ("hyper_util", &["src/docker/endpoint.rs"]),
    ("hyper_rustls", &["src/docker/endpoint.rs"]),
    ("tokio_rustls", &["src/docker/"]),
    ("x509_cert", &["src/docker/tls.rs"]),
    ("age", &["src/pipeline/encrypt/"]),
    ("minisign", &["src/pipeline/signature.rs"]),
    ("pgp", &["src/pipeline/encrypt/openpgp/"]),
    ("rand", &["src/pipeline/encrypt/openpgp/"]),
    ("base64", &["src/pipeline/encrypt/recipients.rs", "src/pipeline/signature.rs"]),
    ("zstd", &["src/pipeline/compress.rs"]),
    ("flate2", &["src/pipeline/compress.rs", "src/engine/influxdb/"]),
    ("sha2", &["src/pipeline/digest.rs"]),
    ("crc", &["src/engine/redis/rdb.rs"]),
    ("figment", &["src/settings/"]),
    ("croner", &["src/schedule/"]),
    ("strsim", &["src/model/problem.rs", "src/schedule/zone.rs"]),
    ("saphyr_parser", &["src/labels/migrate/"]),
    ("rusqlite", &["src/history/", "src/aside/"]),
    ("clap", &["src/cli/"]),
    ("indicatif", &["src/cli/progress.rs"]),
    ("comfy_table", &["src/cli/printer.rs"]),
    ("anyhow", &["src/cli/", "spec/"]),
    ("rustix", &["src/store/", "src/sidecar/reaper.rs", "src/aside/", "src/cli/terminal.rs"]),
    ("glob", &["src/aside/files/dump.rs", "src/engine/sqlite/", "src/aside/sqlite.rs"]),
    ("getrandom", &["src/job/", "src/sidecar/", "spec/"]),
];

/// Calls and the only places that may make them.
const CALLS: &[(&str, &[&str], &str)] = &[
    (
        "fs::rename",
        &["src/store/local.rs", "src/aside/files/mod.rs"],
        "one function of a store renames, and one of a helper",
    ),
    (
        "process::Command",
        // What an engine's script does is tested with a real shell.
        &["src/engine/mongodb/tests.rs", "src/engine/sqlite/glob.rs"],
        "only transport/ starts commands, and it uses Docker",
    ),
    (
        "Timestamp::now",
        &["src/job/", "src/cli/", "src/sidecar/life.rs", "src/sidecar/round.rs"],
        "time is an argument below floor 5",
    ),
    ("SystemTime", &[], "time is an argument below floor 5"),
    ("io::stdout", &["src/cli/printer.rs", "src/cli/aside.rs"], "only the printer prints"),
    (
        "io::stderr",
        &["src/cli/printer.rs", "src/aside/files/dump.rs", "src/aside/sqlite.rs"],
        "only the printer prints",
    ),
    (
        ".reveal()",
        &[
            "src/transport/docker_exec.rs",
            "src/model/workload.rs",
            "src/cli/keys.rs",
            "src/docker/tls.rs",
            "src/pipeline/signature.rs",
            "src/cli/sign.rs",
            "src/pipeline/encrypt/",
        ],
        "these places need a secret's value, and no other",
    ),
];

const LONGEST_FILE: usize = 450;

fn files(folder: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // What a build leaves behind in `spec/fuzz` is nobody's text.
                if !path.ends_with("spec/fuzz/target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// The text without comments: what the compiler sees.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn room(file: &str) -> &str {
    let inner = file.strip_prefix("src/").unwrap();
    inner.split('/').next().unwrap().trim_end_matches(".rs")
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

#[test]
fn a_room_imports_only_from_floors_below() {
    for (file, text) in files("src") {
        let own = room(&file);
        if ["lib", "main"].contains(&own) {
            continue;
        }
        let own_floor = floor(own).unwrap_or_else(|| panic!("{file}: room `{own}` has no floor"));
        for import in code(&text).split("crate::").skip(1) {
            let used: String =
                import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let used_floor = floor(&used).unwrap_or_else(|| panic!("{file}: `crate::{used}`?"));
            let allowed = used == own || used_floor < own_floor;
            assert!(allowed, "{file} (floor {own_floor}) imports {used} (floor {used_floor})");
        }
    }
}

/// Whether code names a crate: as a whole word before `::`, or behind `use`. (`Stage::` is not `age::`.)
fn names(code: &str, name: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let whole = !before.ends_with(letter) && !after.starts_with(letter);
        whole && (after.starts_with("::") || before.ends_with("use "))
    })
}

#[test]
fn a_crate_is_named_as_a_whole_word() {
    for code in ["use age::x;", "use age;", "age::x()", "(::age::x)", "use age as a;"] {
        assert!(names(code, "age"), "{code}");
    }
    for code in ["Stage::Data", "use agenda::x;", "let age = 1;", "use storage::x;", "age_core::x"]
    {
        assert!(!names(code, "age"), "{code}");
    }
}

#[test]
fn a_foreign_crate_stays_with_its_owner() {
    for (file, text) in files("src") {
        for (name, owners) in OWNERS {
            let owned = owners.iter().any(|owner| file.starts_with(owner));
            assert!(
                !names(&code(&text), name) || owned,
                "{file} names {name}, which belongs to {owners:?}"
            );
        }
    }
}

#[test]
fn banned_calls_stay_in_their_place() {
    for (file, text) in files("src") {
        // Tests beside the code may make values of their own.
        let code = code(&text);
        let code = code.split("#[cfg(test)]").next().unwrap();
        for (call, places, why) in CALLS {
            let allowed = places.iter().any(|place| file.starts_with(place));
            assert!(allowed || !code.contains(call), "{file} calls {call}: {why}");
        }
    }
}

#[test]
fn every_file_begins_with_what_it_knows_and_stays_readable() {
    for (file, text) in files("src").into_iter().chain(files("spec")) {
        assert!(text.starts_with("//! "), "{file} does not begin with `//!`");
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{file} has {lines} lines: split it by what it knows");
        assert!(!text.contains(concat!("TO", "DO")), "{file} has something to do without an issue");
    }
}

#[test]
fn the_map_names_every_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = std::fs::read_to_string(root.join("src/README.md")).unwrap();
    for (room, floor) in FLOORS {
        assert!(map.contains(&format!("`{room}")), "src/README.md does not name {room} ({floor})");
        let place = root.join("src").join(room);
        assert!(place.is_dir() || place.with_extension("rs").is_file(), "{room} is not there");
    }
}

/// Compares generated text with the copy in the repository, or rewrites the copy with `UPDATE=1`.
#[track_caller]
pub(crate) fn check_generated(file: &str, begin: &str, end: &str, fresh: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(begin).unwrap_or_else(|| panic!("{file} has no {begin}"));
    let (old, tail) = rest.split_once(end).unwrap_or_else(|| panic!("{file} has no {end}"));
    let fresh = format!("\n{fresh}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{head}{begin}{fresh}{end}{tail}")).unwrap();
    } else {
        assert!(old == fresh, "{file} is stale: run `UPDATE=1 cargo test` and look at the change");
    }
}
