//! Holds: a container is paused or stopped while its files are read, and goes on whatever happens.

use std::process::{Child, Stdio};

use crate::world::{Ran, Server, World, docker, wait_for};

/// So much to read that there is time to look.
const MUCH: &str = "head -c 60000000 /dev/urandom > /data/much";

fn files(world: &World, hold: &str) -> Server {
    let labels = [
        ("enable", "true"),
        ("engine", "files"),
        ("path", "/data"),
        ("compress", "zstd:19"),
        ("hold", hold),
    ];
    let server = world.start("ringbolt-spec/app:bookworm", "app", &labels, &[], &[]);
    server.shell("echo one > /data/file").expect(0);
    server
}

fn state(server: &Server) -> String {
    let ran = docker(&["inspect", "--format", "{{.State.Status}}", &server.name]);
    ran.expect(0).stdout.trim().to_owned()
}

/// `backup` with a `data_dir` of its own.
fn arguments(world: &World) -> [String; 3] {
    let data_dir = format!("data_dir={}", world.folder.join("state").display());
    ["backup".to_owned(), "--set".to_owned(), data_dir]
}

fn backup(world: &World) -> Ran {
    Ran::of(world.command().args(arguments(world)))
}

/// Starts a backup and waits until its container is held.
fn held(world: &World, server: &Server, expected: &str) -> Child {
    let mut command = world.command();
    command.args(arguments(world)).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    wait_for("the hold", || state(server) == expected);
    child
}

#[test]
fn a_container_is_held_while_it_is_read_and_goes_on() {
    let world = World::with_helper();
    let server = files(&world, "pause");
    let started = docker(&["info", "--format", "{{.SystemTime}}"]).stdout;
    backup(&world).expect(0);
    assert_eq!(state(&server), "running");
    let ended = docker(&["info", "--format", "{{.SystemTime}}"]).stdout;
    let container = format!("container={}", server.name);
    let seen = docker(&[
        "events",
        "--since",
        started.trim(),
        "--until",
        ended.trim(),
        "--filter",
        &container,
        "--filter",
        "event=pause",
        "--filter",
        "event=unpause",
        "--format",
        "{{.Action}}",
    ]);
    assert_eq!(seen.stdout, "pause\nunpause\n", "{seen:?}");
    assert!(!world.folder.join("state/held").read_dir().unwrap().any(|_| true));
    assert_eq!(world.list().len(), 1);
}

#[test]
fn a_stopped_backup_lets_its_container_go_on() {
    let world = World::with_helper();
    let server = files(&world, "pause");
    server.shell(MUCH).expect(0);
    let mut child = held(&world, &server, "paused");
    let pid = child.id().to_string();
    Ran::of(std::process::Command::new("kill").args(["-TERM", &pid])).expect(0);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(state(&server), "running");
    assert!(world.files().is_empty());
}

#[test]
fn what_a_killed_backup_held_goes_on_with_the_next() {
    let world = World::with_helper();
    let server = files(&world, "stop");
    server.shell(MUCH).expect(0);
    let mut child = held(&world, &server, "exited");
    // Held is not lost: it is no problem that it does not run.
    let dry = world.ringbolt(&["--dry-run", "--json", "--set", &arguments(&world)[2]]);
    assert!(!dry.stdout.contains("is not running"), "{dry:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(state(&server), "exited");
    server_volume_is_smaller(&server);
    backup(&world).expect(0).says("let go on what a killed run held");
    assert_eq!(state(&server), "running");
    server.shell("test -e /data/file").expect(0);
}

/// The second backup need not be slow.
fn server_volume_is_smaller(server: &Server) {
    let volumes = format!("--volumes-from={}", server.name);
    docker(&["run", "--rm", &volumes, "ringbolt-spec/app:bookworm", "rm", "/data/much"]).expect(0);
}

#[test]
fn two_backups_of_one_container_hold_it_one_after_the_other() {
    let world = World::with_helper();
    let server = files(&world, "pause");
    server.shell(MUCH).expect(0);
    let mut first = held(&world, &server, "paused");
    backup(&world).expect(0);
    assert!(first.wait().unwrap().success());
    assert_eq!((state(&server).as_str(), world.list().len()), ("running", 2));
}

#[test]
fn a_hold_that_somebody_ends_is_no_success() {
    let world = World::with_helper();
    let server = files(&world, "pause");
    server.shell(MUCH).expect(0);
    let mut command = world.command();
    command.args(arguments(&world)).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_for("the hold", || state(&server) == "paused");
    docker(&["unpause", &server.name]).expect(0);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("went on while its files were read"), "{said}");
}

#[test]
fn what_would_not_come_back_is_not_stopped() {
    let world = World::with_helper();
    let labels = [("enable", "true"), ("engine", "files"), ("path", "/data"), ("hold", "stop")];
    let server = world.start("ringbolt-spec/app:bookworm", "app", &labels, &["--rm"], &[]);
    backup(&world).expect(1).says("it is removed when it stops");
    assert_eq!(state(&server), "running");
    assert!(world.files().is_empty());
}

/// One that cannot go on fails its own backup only, and is tried again.
#[test]
fn a_container_that_cannot_go_on_stays_marked_and_stops_nobody_else() {
    let world = World::with_helper();
    let server = files(&world, "pause");
    let held = world.folder.join("state/held");
    std::fs::create_dir_all(&held).unwrap();
    let id = docker(&["inspect", "--format", "{{.Id}}", &server.name]).stdout.trim().to_owned();
    docker(&["pause", &server.name]).expect(0);
    std::fs::write(held.join(&id), "pause").unwrap();
    // A mark that cannot be read stands for one whose container cannot go on.
    std::fs::create_dir_all(held.join("folder")).unwrap();
    backup(&world)
        .expect(0)
        .says("let go on what a killed run held")
        .says("that a container is held");
    assert_eq!(state(&server), "running");
    assert!(!held.join(&id).exists() && held.join("folder").exists());
}

#[test]
fn other_engines_are_not_held() {
    let world = World::new();
    world.postgres("db", &[("enable", "true"), ("hold", "pause")], &[]);
    world.ringbolt(&["backup"]).expect(2).says("postgres takes no hold");
}
