//! The commit, broken at every step: killed with SIGKILL, a disk that fails, a disk that is full, a
//! store that cannot be written, bytes that rot.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::{Guarded, fill};
use crate::world::{BINARY, Ran, World};

/// "Input/output error".
const EIO: i32 = 5;

/// Compiles the shim once for all tests.
pub(crate) fn shim() -> &'static PathBuf {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/spec/faults/shim.c");
        let made = folder.join(format!("shim-{}.so", std::process::id()));
        let mut cc = Command::new("cc");
        let ran =
            Ran::of(cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&made).args([source, "-ldl"]));
        ran.expect(0);
        made
    })
}

/// Runs a backup whose `at`-th change to the store is fatal. Returns what happened and the steps
/// that were reached.
fn backup_broken(world: &World, at: usize, errno: Option<i32>) -> (Ran, Vec<String>) {
    let log = world.folder.join("steps");
    std::fs::remove_file(&log).ok();
    let mut command = world.command();
    command.arg("backup").env("LD_PRELOAD", shim()).env("SHIM_LOG", &log);
    command.env("SHIM_ROOT", world.store()).env("SHIM_AT", at.to_string());
    if let Some(errno) = errno {
        command.env("SHIM_FAIL", errno.to_string());
    }
    let ran = Ran::of(&mut command);
    let steps = std::fs::read_to_string(log).unwrap_or_default();
    (ran, steps.lines().map(str::to_owned).collect())
}

/// The ids of all archives; each of them is whole, or this fails.
fn whole_archives(world: &World) -> BTreeSet<String> {
    world.ringbolt(&["verify"]).expect(0);
    world.list().iter().map(|archive| archive["id"].as_str().unwrap().to_owned()).collect()
}

/// Files that belong to no archive.
fn leftovers(world: &World) -> Vec<String> {
    let files = world.files();
    let has_manifest = |name: &str| {
        let id = name.split('.').next().unwrap_or_default();
        files.contains_key(&format!("{id}.manifest.json"))
    };
    files.keys().filter(|name| !has_manifest(name)).cloned().collect()
}

#[test]
fn killed_at_every_step_nothing_half_done_is_seen() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &[]);
    fill(&server);
    world.ringbolt(&["backup"]).expect(0);
    let mut known = whole_archives(&world);
    let mut seen = BTreeSet::new();
    for at in 1.. {
        let (ran, steps) = backup_broken(&world, at, None);
        let killed = ran.code.is_none();
        // The manifest's rename is the commit point: what was renamed before the kill is there.
        let manifests =
            |step: &&String| step.starts_with("rename") && step.ends_with(".manifest.json");
        let renamed = steps.iter().filter(manifests).count();
        let last_is_rename = steps.last().is_some_and(|step| manifests(&step));
        let committed = renamed - usize::from(killed && last_is_rename);
        let now = whole_archives(&world);
        assert!(now.is_superset(&known), "step {at} {:?} took an older archive", steps.last());
        assert_eq!(now.len() - known.len(), committed, "step {at} {:?}", steps.last());
        if !killed {
            ran.expect(0);
            break;
        }
        let (call, path) = steps.last().unwrap().split_once(' ').unwrap();
        let file = path.rsplit('/').next().unwrap().trim_start_matches('.');
        let kind =
            file.split_once('.').map_or("folder", |(_, kind)| kind.trim_end_matches(".0.tmp"));
        seen.insert(format!("{call} {kind}"));
        world.ringbolt(&["backup"]).expect(0);
        assert!(leftovers(&world).is_empty(), "not swept: {:?}", leftovers(&world));
        known = whole_archives(&world);
    }
    for file in ["pgdump.zst", "manifest.json", "proof.json", "sql.zst"] {
        for call in ["create", "write", "fsync", "rename"] {
            let step = format!("{call} {file}");
            assert!(seen.contains(&step), "{step} was never reached: {seen:?}");
        }
    }
    assert!(seen.contains("fsync folder"), "{seen:?}");
}

/// The steps of a signature: what is signed is whole or not there, too.
#[test]
fn killed_while_it_signs_nothing_half_done_is_seen() {
    const EIO: i32 = 5;
    let mut world = World::new();
    world.postgres("db", &[("enable", "true")], &[]);
    let key = world.folder.join("own.key");
    let text = key.display().to_string();
    let ran = world.ringbolt(&["keygen", "--signing", "--output", &text]).expect(0);
    let public = ran.stderr.trim().strip_prefix("public key: ").unwrap().to_owned();
    let text: &'static str = std::fs::read_to_string(&key).unwrap().leak();
    world.settings.push(("RINGBOLT_SIGNING__KEY", text));
    world.settings.push(("RINGBOLT_SIGNING__PUBLIC_KEYS", public.leak()));
    world.ringbolt(&["backup"]).expect(0);
    let (ran, steps) = backup_broken(&world, usize::MAX, None);
    ran.expect(0);
    let mut known = whole_archives(&world);
    let signs = |step: &String| step.contains(".minisig");
    let (first, last) =
        (steps.iter().position(signs).unwrap(), steps.iter().rposition(signs).unwrap());
    let mut killed = 0;
    for at in (1..=steps.len()).filter(|at| (first..last + 4).contains(at)) {
        let manifest =
            |step: &&String| step.starts_with("rename") && step.ends_with(".manifest.json");
        let (ran, steps) = backup_broken(&world, at, None);
        assert_eq!(ran.code, None, "{ran:?}");
        killed += 1;
        // A kill comes before the step itself.
        let committed = steps[..steps.len() - 1].iter().filter(manifest).count();
        let now = whole_archives(&world);
        assert!(now.is_superset(&known), "step {at} {:?} took an older archive", steps.last());
        assert_eq!(now.len() - known.len(), committed, "step {at} {:?}", steps.last());
        world.ringbolt(&["backup"]).expect(0);
        assert!(leftovers(&world).is_empty(), "not swept: {:?}", leftovers(&world));
        known = whole_archives(&world);
    }
    assert!(killed > 8, "{killed}");
    // And where the disk fails instead, the run fails, and nothing is left of it.
    for at in first + 1..last + 4 {
        let (ran, steps) = backup_broken(&world, at, Some(EIO));
        ran.expect(1).says("store `local`");
        let now = whole_archives(&world);
        assert!(now.is_superset(&known), "step {at}: {:?}", steps.last());
        assert!(leftovers(&world).is_empty(), "step {at}: {:?}", leftovers(&world));
        known = now;
    }
}

#[test]
fn a_disk_that_fails_at_any_step_publishes_nothing() {
    const ENOSPC: i32 = 28;
    for errno in [EIO, ENOSPC] {
        let world = World::new();
        world.postgres("db", &[("enable", "true")], &[]);
        world.ringbolt(&["backup"]).expect(0);
        let mut known = whole_archives(&world);
        for at in 1.. {
            let (ran, steps) = backup_broken(&world, at, Some(errno));
            if steps.len() < at {
                ran.expect(0);
                break;
            }
            // Where only the removal of what failed fails, the run has failed already.
            ran.expect(1).says("store `local`");
            let now = whole_archives(&world);
            assert!(now.is_superset(&known), "errno {errno} at step {at}: {:?}", steps.last());
            known = now;
            assert!(at < 200, "it does not end");
        }
        assert!(leftovers(&world).is_empty(), "{:?}", leftovers(&world));
    }
}

/// Runs a shell line in mount namespace of its own: mounts vanish with it.
fn in_namespace(world: &World, line: &str) -> Ran {
    let mut command = Command::new("unshare");
    world.settle(&mut command);
    command.env("STORE", world.store()).env("RINGBOLT", BINARY);
    Ran::of(command.args(["--mount", "sh", "-euc", line]))
}

#[test]
fn a_full_disk_publishes_nothing() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &[]);
    server.sql(
        "keeper",
        "CREATE TABLE t AS SELECT gen_random_uuid() FROM generate_series(1, 200000)",
    );
    std::fs::create_dir(world.store()).unwrap();
    let ran = in_namespace(
        &world,
        "mount -t tmpfs -o size=2m tmpfs \"$STORE\"; code=0; \"$RINGBOLT\" backup || code=$?; \
         find \"$STORE\" -type f ! -name .ringbolt.lock; exit $code",
    );
    assert!(!ran.stdout.contains('/'), "left behind: {ran:?}");
    ran.expect(1).says("No space left on device").says("the disk is full");
}

#[test]
fn a_store_that_cannot_be_written_is_told_by_name() {
    let world = World::new();
    world.postgres("db", &[("enable", "true")], &[]);
    let guarded = Guarded::new(&world);
    let read_only = "mount --bind \"$STORE\" \"$STORE\"; mount -o remount,bind,ro \"$STORE\";";
    let ran = in_namespace(&world, &format!("{read_only} exec \"$RINGBOLT\" backup"));
    guarded.check(&world, ran.says("mounted read-only"), "store `local`");
    in_namespace(&world, &format!("{read_only} exec \"$RINGBOLT\" --dry-run")).expect(1);
    in_namespace(&world, &format!("{read_only} exec \"$RINGBOLT\" list")).expect(0);

    let world = World::new();
    world.postgres("db", &[("enable", "true")], &[]);
    std::fs::write(world.store(), "a file").unwrap();
    world.ringbolt(&["backup"]).expect(1).says("store `local` is not reachable");
    world.ringbolt(&["list"]).expect(4).says("store `local` is not reachable");
}

#[test]
fn rotten_bytes_are_found_and_never_handed_out() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &[]);
    fill(&server);
    world.ringbolt(&["backup"]).expect(0);
    let id = world.newest("keeper")["id"].as_str().unwrap().to_owned();
    let payload =
        world.files().into_keys().find(|name| name.contains(&id) && name.ends_with(".zst"));
    let path = world.store().join(payload.unwrap());
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() - 1], &[], &[&whole[..], b"x"].concat()] {
        std::fs::write(&path, damaged).unwrap();
        world.ringbolt(&["verify", &id]).expect(1).says("is damaged");
        assert_eq!(world.newest("keeper")["proof"], "broken");
        let cat = world.ringbolt(&["cat", &id]).expect(1).says("is damaged");
        assert_eq!(cat.stdout, "", "not one byte of a damaged archive");
        let ran = world.ringbolt(&["restore", &id, "--into", &server.name, "--database", "rotten"]);
        ran.expect(1).says("is damaged");
        assert_eq!(
            server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'rotten%'"),
            "0"
        );
    }
    let latest = format!("{}@latest", server.source());
    world
        .ringbolt(&["show", &latest])
        .expect(2)
        .says("which is broken, and there is none before it");
    std::fs::write(&path, &whole).unwrap();
    world.ringbolt(&["verify", &id]).expect(0);
    world.ringbolt(&["show", &latest]).expect(0);
    std::fs::remove_file(&path).unwrap();
    world.ringbolt(&["verify", &id]).expect(1).says("has no `");
}
