//! The engine family: what every row must do on real servers, and its damaged twins. Each engine has a
//! file with its seed and what is special about it; what all must do is here.
//!
//! dump → restore → the same; dumps that are cut anywhere, tools that lie, that fail late or are not
//! there, and archives with a flipped byte are refused, and nothing is left behind.

pub(crate) mod custom;
mod files;
mod influxdb;
mod mongodb;
mod mysql;
mod postgres;
mod redis;
mod sqlite;
mod sqlite_life;

use ringbolt::engine::{self, Card, Engine, Invalid};
use ringbolt::model::{Facts, Part};

use serde_json::Value;

use crate::drill::nothing_is_left;
use crate::tidy::check_generated;
use crate::world::{Server, World};

/// One kind of server, as the suite needs it.
pub(crate) trait Subject {
    /// The engine's name in its table.
    fn engine(&self) -> &'static str;

    /// Starts a server with these labels and waits until it answers. Its time zone is not UTC.
    fn start(&self, world: &World, name: &str, labels: &[(&str, &str)]) -> Server;

    /// Makes the database [`Subject::database`] with everything that a restore must bring back.
    fn seed(&self, server: &Server);

    /// Everything that the original and a restored database have in common, one fact in a line.
    fn compared(&self, server: &Server, database: &str) -> String;

    /// What the seeded database is called, also as `list` shows it.
    fn database(&self) -> &'static str {
        "shop"
    }

    /// A name to restore it under beside the original, if the engine can do that. A nasty one.
    fn beside(&self) -> Option<&'static str>;

    /// The program in the container that dumps, and what of its arguments tells a dump from other calls.
    fn tool(&self) -> (&'static str, &'static str);

    /// What makes the tool succeed with a half of its work.
    fn half(&self) -> &'static str {
        r#""$real" "$@" | head -c 3000; exit 0"#
    }

    /// What is said where the tool is not there.
    fn without_tool(&self, server: &Server) -> Vec<String> {
        vec![self.tool().0.to_owned(), server.image()]
    }

    /// Where it all happens.
    fn world(&self) -> World {
        World::new()
    }

    /// Labels that this kind always needs.
    fn labels(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

#[test]
fn the_readme_s_table_is_this_table() {
    let mut table = String::from(
        "| engine | also | found by image | dumped by | restored in the suite on |\n|---|---|---|---|---|\n",
    );
    let list =
        |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ");
    for engine in engine::ENGINES {
        let Card { name, aliases, images, about, proven, .. } = engine.card();
        let (aliases, images) = (list(aliases), list(images));
        table.push_str(&format!("| `{name}` | {aliases} | {images} | {about} | {proven} |\n"));
    }
    check_generated("README.md", "<!-- engines -->", "<!-- /engines -->", &table);
}

fn start(world: &World, subject: &dyn Subject, name: &str, more: &[(&str, &str)]) -> Server {
    let labels = [&[("enable", "true")], subject.labels(), more].concat();
    let server = subject.start(world, name, &labels);
    subject.seed(&server);
    server
}

/// What the two must have in common, with the difference shown line by line.
#[track_caller]
pub(crate) fn equal(expected: &str, found: &str) {
    assert!(expected.lines().count() > 4, "the comparison compares nothing: {expected}");
    let differ: Vec<_> =
        expected.lines().zip(found.lines()).filter(|(a, b)| a != b).take(5).collect();
    assert!(expected == found, "what was restored differs: {differ:#?}");
}

/// Dump, restore beside and into a fresh server, compare; what is not empty is left alone.
pub(crate) fn check_round_trip(subject: &dyn Subject, more: &[(&str, &str)]) {
    let world = subject.world();
    let shop = start(&world, subject, "shop", more);
    let original = subject.compared(&shop, subject.database());
    world.ringbolt(&["backup"]).expect(0);
    let archive = world.newest(subject.database());
    assert_eq!(
        (&archive["proof"], &archive["engine"]),
        (&"stored".into(), &subject.engine().into())
    );
    let id = archive["id"].as_str().unwrap();

    if let Some(beside) = subject.beside() {
        let arguments = ["restore", id, "--into", &shop.name, "--database", beside];
        world.ringbolt(&arguments).expect(0);
        equal(&original, &subject.compared(&shop, beside));
        world.ringbolt(&arguments).expect(1).says("is not empty");
    }
    let fresh = subject.start(&world, "fresh", subject.labels());
    world.ringbolt(&["restore", id, "--into", &fresh.name]).expect(0);
    equal(&original, &subject.compared(&fresh, subject.database()));
    world.ringbolt(&["restore", id, "--into", &fresh.name]).expect(1).says("is not empty");
    equal(&original, &subject.compared(&fresh, subject.database()));
    let data = format!("data_dir={}", world.folder.join("data").display());
    let replace = ["restore", id, "--into", &fresh.name, "--replace", "--set", &data];
    if REPLACES.contains(&subject.engine()) {
        world.ringbolt(&replace).expect(0).says("the old one is removed");
    } else {
        world.ringbolt(&replace).expect(2).says("does not replace what is there");
    }
    equal(&original, &subject.compared(&fresh, subject.database()));
}

/// A live drill while the archive is written, then a drill of the archive that was made. Nothing of them
/// stays.
pub(crate) fn check_drill(subject: &dyn Subject, more: &[(&str, &str)]) {
    let world = subject.world();
    let labels = [&[("verify", "drill")], more].concat();
    let server = start(&world, subject, "drilled", &labels);
    let ran = world.ringbolt(&["backup"]).expect(0).says(" restores");
    assert!(!ran.stderr.contains("not drilled"), "{ran:#?}");
    nothing_is_left(&server);
    let archive = world.newest(subject.database());
    assert_eq!(archive["proof"], "drill", "{ran:#?}");

    let id = archive["id"].as_str().unwrap();
    let drilled = world.ringbolt(&["drill", id, "--json"]).expect(0).json();
    assert_eq!(drilled[0]["result"], "passed", "{drilled}");
    assert!(drilled[0]["seconds"].as_f64().unwrap() > 0.0);
    let shown = world.ringbolt(&["show", id, "--json"]).expect(0).json();
    let measured = |check: &Value| check["level"] == "drill" && check["took_ms"].as_u64() > Some(0);
    assert!(shown["checks"].as_array().unwrap().iter().any(measured), "{shown}");
    nothing_is_left(&server);
}
/// Whose databases give way, but for PostgreSQL, which `restore/replace.rs` is about.
const REPLACES: [&str; 4] = ["mysql", "mariadb", "redis", "influxdb"];

/// What a tool may do instead of its work. `$real` is the tool, with its arguments behind it.
const LIES: [(&str, &str); 3] = [
    ("succeeds with nothing", "exit 0"),
    ("succeeds with something else", "echo 'all is well'; exit 0"),
    ("fails at its end", r#""$real" "$@"; echo 'connection lost' >&2; exit 3"#),
];

/// A tool that lies, fails late or is not there makes a failed run that leaves nothing in the store.
pub(crate) fn check_tools(subject: &dyn Subject) {
    let world = subject.world();
    let server = start(&world, subject, "liar", &[]);
    let (tool, mark) = subject.tool();
    let found = server.shell(&format!("command -v {tool}")).expect(0).stdout;
    let path = found.trim();
    // There may be another of that name on the way.
    let aside =
        format!("mv {path} {path}.real; while other=$(command -v {tool}); do rm $other; done");
    server.shell(&aside).expect(0);
    for (name, lie) in LIES.into_iter().chain([("succeeds with a half", subject.half())]) {
        let stub = format!(
            "#!/bin/sh\nreal={path}.real\ncase \"$*\" in *'{mark}'*) {lie};; esac\nexec \"$real\" \"$@\"\n"
        );
        let write = format!("cat > {path} && chmod 755 {path}");
        server.shell_with_input(&write, stub.as_bytes()).expect(0);
        let ran = world.ringbolt(&["backup"]);
        assert_eq!(ran.code, Some(1), "{tool} that {name}: {ran:#?}");
        assert!(world.files().is_empty(), "{tool} that {name}: {:?}", world.files().keys());
    }
    server.shell(&format!("rm {path}")).expect(0);
    let ran = world.ringbolt(&["backup"]).expect(1);
    subject.without_tool(&server).iter().fold(ran, |ran, words| ran.says(words));
    assert!(world.files().is_empty());
    // And it was the tool alone.
    server.shell(&format!("mv {path}.real {path}")).expect(0);
    world.ringbolt(&["backup"]).expect(0);
}

/// A byte that flipped in the store is found by `verify`, and a restore refuses it before the target
/// has anything of it.
pub(crate) fn check_flips(subject: &dyn Subject) {
    let world = subject.world();
    let server = start(&world, subject, "flips", &[("compress", "none")]);
    world.ringbolt(&["backup"]).expect(0);
    let archive = world.newest(subject.database());
    let id = archive["id"].as_str().unwrap();
    let payload = |name: &String| name.contains(id) && !name.ends_with(".json");
    let name = world.files().into_keys().find(payload).unwrap();
    let path = world.store().join(name);
    let whole = std::fs::read(&path).unwrap();
    let mut arguments = vec!["restore", id, "--into"];
    let fresh;
    if let Some(beside) = subject.beside() {
        arguments.extend([&*server.name, "--database", beside]);
    } else {
        fresh = subject.start(&world, "fresh", subject.labels());
        arguments.push(&fresh.name);
    }
    for at in [0, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x20;
        std::fs::write(&path, &flipped).unwrap();
        world.ringbolt(&["verify", id]).expect(1);
        world.ringbolt(&arguments).expect(1);
    }
    // Nothing of it has stayed: the whole one finds its place empty.
    std::fs::write(&path, &whole).unwrap();
    world.ringbolt(&["verify", id]).expect(0);
    world.ringbolt(&arguments).expect(0);
}

pub(crate) fn judge(engine: &str, format: &str, dump: &[u8]) -> Result<Facts, Invalid> {
    let engine: &dyn Engine = engine::by_name(engine).unwrap();
    let mut validator = engine.validator(&Part::Database("shop".parse().unwrap()), format);
    dump.chunks(32 * 1024).try_for_each(|piece| validator.check(piece))?;
    validator.finish()
}

/// Every cut near the ends, where structure is, and a prime step between.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    let near = 2000.min(length);
    (0..near).chain((near..length).step_by(9973)).chain(length.saturating_sub(2000)..length)
}

/// A dump is whole, and no beginning of it is, nor is it with something behind it.
#[track_caller]
pub(crate) fn check_cuts(engine: &str, format: &str, dump: &[u8]) -> Facts {
    let facts = judge(engine, format, dump).unwrap();
    for end in cuts(dump.len()) {
        let judged = judge(engine, format, &dump[..end]);
        assert!(judged.is_err(), "{engine} {format} cut at {end} of {} was accepted", dump.len());
    }
    assert!(judge(engine, format, &[dump, b"\n"].concat()).is_err(), "a tail was accepted");
    facts
}
