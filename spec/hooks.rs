//! Hooks: what they are told, and what comes of one that fails or hangs.

use crate::world::{Server, World};

const ALLOWED: [&str; 2] = ["--set", "labels.policy.refuse="];
/// Writes down what the hook was told.
const TELL: &str =
    r#"["sh", "-c", "env | grep ^RINGBOLT_ | grep -v ^RINGBOLT_RUN= | sort > /tmp/told"]"#;

fn told(server: &Server) -> Vec<String> {
    let said = server.shell("cat /tmp/told").expect(0).stdout;
    said.lines().map(str::to_owned).collect()
}

#[test]
fn a_hook_is_told_what_came_of_the_backup() {
    let world = World::new();
    let labels = [("enable", "true"), ("hook.after", TELL)];
    let server = world.postgres("db", &labels, &[]);
    world.ringbolt(&[&["backup"], &ALLOWED[..]].concat()).expect(0);
    let ids: Vec<String> =
        world.list().iter().rev().map(|a| a["id"].as_str().unwrap().to_owned()).collect();
    let expected = [
        format!("RINGBOLT_ARCHIVES={}", ids.join(" ")),
        "RINGBOLT_ERROR=".to_owned(),
        "RINGBOLT_OUTCOME=succeeded".to_owned(),
        format!("RINGBOLT_SOURCE={}", server.source()),
    ];
    assert_eq!(told(&server), expected);
}

#[test]
fn a_hook_that_fails_before_fails_the_run_and_the_one_after_knows() {
    let world = World::new();
    let before = r#"["sh", "-c", "echo not now >&2; exit 7"]"#;
    let labels = [("enable", "true"), ("hook.before", before), ("hook.after", TELL)];
    let server = world.postgres("db", &labels, &[]);
    world.ringbolt(&[&["backup"], &ALLOWED[..]].concat()).expect(1).says("not now");
    assert!(world.files().is_empty());
    let told = told(&server);
    assert_eq!((&*told[0], &*told[2]), ("RINGBOLT_ARCHIVES=", "RINGBOLT_OUTCOME=failed"));
    assert!(told[1].contains("exit code 7") && told[1].contains("not now"), "{told:?}");
    // And where the operator lets no label have hooks, none runs.
    server.shell("rm /tmp/told").expect(0);
    world.ringbolt(&["backup"]).expect(2).says("hook.before");
    server.shell("cat /tmp/told").expect(1);
}

#[test]
fn a_hook_that_hangs_is_ended() {
    let world = World::new();
    let hang = r#"["sleep", "4242"]"#;
    let labels = [("enable", "true"), ("hook.before", hang), ("stall", "2s")];
    let server = world.postgres("db", &labels, &[]);
    world.ringbolt(&[&["backup"], &ALLOWED[..]].concat()).expect(1).says("nothing came for 2");
    assert!(world.files().is_empty());
    assert!(!server.processes().contains("4242"));
}
