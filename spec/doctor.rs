//! Doctor: each thing that can be wrong is found, told with what to do, and does not hide the rest.

use serde_json::Value;

use crate::encryption::pair;
use crate::faults::proxy;
use crate::world::{Ran, World};

/// What was found about a subject, as `state: message → advice`.
fn found(ran: &Ran, subject: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = ran.json();
    let own = all.as_array().unwrap().iter().filter(|finding| finding["subject"] == subject);
    own.map(|f| format!("{}: {} → {}", text(&f["state"]), text(&f["message"]), text(&f["advice"])))
        .collect()
}

#[track_caller]
fn says(ran: &Ran, subject: &str, words: &[&str]) {
    let found = found(ran, subject);
    let has = |finding: &String| words.iter().all(|words| finding.contains(words));
    assert!(found.iter().any(has), "{words:?}: {found:#?}");
}

#[test]
fn a_healthy_host_is_healthy() {
    let world = World::new();
    world.postgres("db", &[("enable", "true"), ("name", "shop")], &[]);
    let (first, second) = (pair().0, pair().0);
    let recipients = format!("encryption.recipients={first},{second}");
    let ran = world.ringbolt(&["doctor", "--json", "--set", &recipients]).expect(0);
    says(&ran, "settings", &["good", "they are right"]);
    says(&ran, "docker", &["good", "answers, API 1."]);
    says(&ran, "clock", &["good", "agrees with Docker's"]);
    says(&ran, "store", &["good", "local can be written, holds 0 archives", "free"]);
    says(&ran, "keys", &["good", "2 recipients"]);
    says(&ran, "tools", &["good", "shop: pg_dump (PostgreSQL) 15"]);
    assert!(!world.store().exists(), "looking makes nothing");
    let text = world.ringbolt(&["doctor", "--set", &recipients]).expect(0).stdout;
    assert!(text.contains("good      docker"), "{text}");
}

#[test]
fn keys_that_make_archives_unreadable_are_told() {
    let world = World::new();
    let ran = world.ringbolt(&["doctor", "--json"]).expect(0);
    says(&ran, "keys", &["doubtful", "not encrypted", "ringbolt keygen"]);
    let ((first, identity), (second, _)) = (pair(), pair());
    let one = format!("encryption.recipients={first}");
    let ran = world.ringbolt(&["doctor", "--json", "--set", &one]).expect(0);
    says(&ran, "keys", &["doubtful", "only one recipient", "add a second public key"]);

    let file = world.folder.join("key.txt");
    std::fs::write(&file, identity).unwrap();
    let file = format!("encryption.identity_file={}", file.display());
    let two = format!("encryption.recipients={first},{second}");
    let ran = world.ringbolt(&["doctor", "--json", "--set", &two, "--set", &file]).expect(0);
    says(&ran, "keys", &["doubtful", &second, "no identity that is known here"]);
    says(&ran, "keys", &["doubtful", "this host holds an identity"]);
    assert!(!found(&ran, "keys").iter().any(|finding| finding.contains(&first)), "{ran:?}");
    let gone = ["doctor", "--json", "--set", "encryption.identity_file=/nowhere/key"];
    says(&world.ringbolt(&gone).expect(1), "keys", &["bad", "/nowhere/key"]);
}

#[test]
fn wrong_settings_labels_and_stores_are_told() {
    let world = World::new();
    let ran = world.ringbolt(&["doctor", "--json", "--set", "docker.hots=x"]).expect(1);
    says(&ran, "settings", &["bad", "did you mean `docker.host`?"]);

    world.postgres("db", &[("enable", "true"), ("kep", "last=1")], &[]);
    let ran = world.ringbolt(&["doctor", "--json"]).expect(1);
    says(&ran, "labels", &["bad", "did you mean"]);

    let blocked = world.folder.join("blocked");
    std::fs::write(&blocked, "a file").unwrap();
    let url = format!("stores.local.url=file://{}/x", blocked.display());
    let ran = world.ringbolt(&["doctor", "--json", "--set", &url]).expect(1);
    says(&ran, "store", &["bad", "not reachable"]);
    says(&ran, "docker", &["good"]);

    let mut command = world.command();
    command.env("BT_CRON", "0 0 * * *").env("BT_HEALTH_PORT", "8080").env("BT_NEW", "x");
    command.env("TZ", "Europe/Berlin").args(["doctor", "--json"]);
    let ran = Ran::of(&mut command);
    says(&ran, "settings", &["doubtful", "BT_CRON", "`defaults.schedule` now"]);
    says(&ran, "settings", &["doubtful", "BT_HEALTH_PORT", "not in this version"]);
    says(&ran, "settings", &["doubtful", "BT_NEW", "nothing like it"]);
    says(&ran, "clock", &["doubtful", "TZ=Europe/Berlin", "defaults.timezone=Europe/Berlin"]);
}

#[test]
fn what_stands_before_docker_is_told() {
    let mut world = World::new();
    let nowhere = ["doctor", "--json", "--set", "docker.host=unix:///nowhere/docker.sock"];
    let ran = world.ringbolt(&nowhere).expect(1);
    says(&ran, "docker", &["bad", "cannot reach Docker", "mount the socket"]);
    says(&ran, "store", &["good"]);
    let folder = format!("docker.host=unix://{}", world.folder.display());
    says(
        &world.ringbolt(&["doctor", "--json", "--set", &folder]).expect(1),
        "docker",
        &["is no socket"],
    );

    // A proxy that lets lists through, and neither names nor commands.
    world.docker_host = Some(proxy::refusing(&world, &["/info", "/exec"]));
    world.postgres("db", &[("enable", "true")], &[]);
    let ran = world.ringbolt(&["doctor", "--json"]).expect(1);
    says(&ran, "docker", &["doubtful", "a proxy stands before Docker", "timeout tunnel"]);
    says(&ran, "docker", &["bad", "may not be started", "CONTAINERS, EXEC and POST"]);
    says(&ran, "docker", &["doubtful", "may be written by everybody"]);
}
