//! Redis and Valkey, and what is special about them: two ways to dump, restores into a running server, users,
//! clusters, append-only files.

use super::{
    Subject, check_cuts, check_drill, check_flips, check_round_trip, check_tools, equal, judge,
};
use crate::world::{Ran, Server, World, docker, wait_for};

const SEED: &str = include_str!("redis_seed.lua");
const COMPARED: &str = include_str!("redis_facts.lua");

struct Redis {
    image: &'static str,
    client: &'static str,
}

const REDIS_7: Redis = Redis { image: "ringbolt-spec/redis:7", client: "redis-cli" };
const REDIS_8: Redis = Redis { image: "ringbolt-spec/redis:8", client: "redis-cli" };
const VALKEY_8: Redis = Redis { image: "ringbolt-spec/valkey:8", client: "valkey-cli" };

impl Redis {
    /// Starts a server with arguments of its own.
    fn serve(
        &self,
        world: &World,
        name: &str,
        labels: &[(&str, &str)],
        arguments: &[&str],
    ) -> Server {
        let server =
            world.start(self.image, name, labels, &["--env", "TZ=Asia/Kolkata"], arguments);
        wait_for("Redis", || {
            server.shell(&format!("{} ping", self.client)).stdout.contains("PONG")
                || server.shell(&format!("{} ping", self.client)).stdout.contains("NOAUTH")
        });
        server
    }

    /// Runs Lua in the server.
    #[track_caller]
    fn lua(&self, server: &Server, script: &str) -> String {
        let line = format!("{} --eval /dev/stdin", self.client);
        let ran = server.shell_with_input(&line, script.as_bytes()).expect(0);
        assert!(!ran.stdout.starts_with("ERR"), "{ran:?}");
        ran.stdout
    }

    /// Runs one command, as the server's own user.
    #[track_caller]
    fn ask(&self, server: &Server, command: &str) -> String {
        server.shell(&format!("{} {command}", self.client)).expect(0).stdout.trim().to_owned()
    }
}

impl Subject for Redis {
    fn engine(&self) -> &'static str {
        "redis"
    }

    fn start(&self, world: &World, name: &str, labels: &[(&str, &str)]) -> Server {
        self.serve(world, name, labels, &[])
    }

    fn seed(&self, server: &Server) {
        assert_eq!(self.lua(server, SEED).trim(), "seeded");
        let random = format!("head -c 5000000 /dev/urandom | {} -x SET random", self.client);
        server.shell(&random).expect(0);
        let library =
            "#!lua name=shop\nredis.register_function('f', function() return 'it works' end)";
        let load = format!("{} -x FUNCTION LOAD", self.client);
        assert_eq!(server.shell_with_input(&load, library.as_bytes()).stdout.trim(), "shop");
    }

    fn compared(&self, server: &Server, _database: &str) -> String {
        self.lua(server, COMPARED) + &self.ask(server, "FCALL f 0")
    }

    fn database(&self) -> &'static str {
        "instance"
    }

    fn beside(&self) -> Option<&'static str> {
        None
    }

    fn tool(&self) -> (&'static str, &'static str) {
        (self.client, "--rdb")
    }
}

#[test]
fn redis_and_valkey_are_drilled() {
    check_drill(&REDIS_7, &[]);
    check_drill(&VALKEY_8, &[]);
}

#[test]
fn redis_7_restores() {
    check_round_trip(&REDIS_7, &[]);
}

#[test]
fn redis_8_restores() {
    check_round_trip(&REDIS_8, &[]);
}

#[test]
fn valkey_8_restores() {
    check_round_trip(&VALKEY_8, &[]);
}

#[test]
fn redis_with_a_lying_tool_leaves_nothing() {
    check_tools(&REDIS_7);
}

#[test]
fn redis_with_a_flipped_byte_is_refused() {
    check_flips(&REDIS_8);
}

fn check_cuts_of(subject: &Redis) {
    let world = World::new();
    let server = subject.start(&world, "cut", &[("enable", "true"), ("compress", "none")]);
    subject.seed(&server);
    // Thousands of cuts are judged, each from the first byte; its bytes are all skipped at once.
    assert_eq!(subject.ask(&server, "DEL random"), "1");
    world.ringbolt(&["backup"]).expect(0);
    let payload = |name: &String| name.ends_with(".rdb");
    let (_, dump) = world.files().into_iter().find(|(name, _)| payload(name)).unwrap();
    let facts = check_cuts("redis", "rdb", &dump);
    let count = |name: &str| facts.counts.get(name).copied();
    assert_eq!(count("lasting keys in db3"), Some(300));
    assert_eq!(count("lasting keys in db15"), Some(0));
    assert_eq!(count("function libraries"), Some(1));
    // With the checksum at its end, no byte can be another one.
    for at in (0..dump.len()).step_by(dump.len() / 61) {
        let mut flipped = dump.clone();
        flipped[at] ^= 0x04;
        assert!(judge("redis", "rdb", &flipped).is_err(), "a flip at {at} was accepted");
    }
}

#[test]
fn redis_7_dumps_cut_anywhere_are_refused() {
    check_cuts_of(&REDIS_7);
}

#[test]
fn redis_8_dumps_cut_anywhere_are_refused() {
    check_cuts_of(&REDIS_8);
}

#[test]
fn valkey_8_dumps_cut_anywhere_are_refused() {
    check_cuts_of(&VALKEY_8);
}

#[test]
fn redis_upgrades_and_a_downgrade_is_refused() {
    let world = World::new();
    let labels = [("enable", "true")];
    let old = REDIS_7.start(&world, "old", &labels);
    REDIS_7.seed(&old);
    let new = REDIS_8.start(&world, "new", &labels);
    REDIS_8.ask(&new, "SET only one");
    world.ringbolt(&["backup"]).expect(0);
    let up = format!("{}@latest", old.source());
    let newer = VALKEY_8.start(&world, "valkey", &[]);
    world.ringbolt(&["restore", &up, "--into", &newer.name]).expect(0);
    REDIS_8.ask(&new, "FLUSHALL");
    world.ringbolt(&["restore", &up, "--into", &new.name]).expect(0);
    let keys = |subject: &Redis, server| subject.ask(server, "-n 3 DBSIZE");
    assert_eq!((keys(&REDIS_8, &new), keys(&VALKEY_8, &newer)), ("300".into(), "300".into()));
    let down = format!("{}@latest", new.source());
    for target in [&old, &newer] {
        let ran = world.ringbolt(&["restore", &down, "--into", &target.name]).expect(1);
        ran.says("comes from version 8.0").says("runs version");
    }
}

/// What the file itself says is the last word, also where versions tell nothing.
#[test]
fn a_file_that_the_server_cannot_read_leaves_it_as_it_was() {
    let world = World::new();
    let new = REDIS_8.start(&world, "new", &[("enable", "true")]);
    REDIS_8.seed(&new);
    world.ringbolt(&["backup"]).expect(0);
    // As if the archive came from an old server.
    for (name, content) in world.files() {
        let Ok(text) = String::from_utf8(content) else { continue };
        let older = text.replace("\"server_major\": 12", "\"server_major\": 7");
        std::fs::write(world.store().join(name), older).unwrap();
    }
    assert!(
        world.files().values().any(|file| file.windows(17).any(|w| w == b"\"server_major\": 7"))
    );
    let old = REDIS_7.start(&world, "old", &[]);
    let latest = format!("{}@latest", new.source());
    let ran = world.ringbolt(&["restore", &latest, "--into", &old.name]).expect(1);
    ran.says("Can't handle RDB format version 12").says("do not read each other's files");
    assert_untouched(&REDIS_7, &old);
}

/// Empty, a master, without our credentials, our second server and our files.
#[track_caller]
fn assert_untouched(subject: &Redis, server: &Server) {
    assert_eq!(subject.ask(server, "DBSIZE"), "0");
    assert!(subject.ask(server, "INFO replication").contains("role:master"));
    assert_eq!(subject.ask(server, "CONFIG GET masterauth"), "masterauth");
    assert_eq!(subject.ask(server, "CONFIG GET masteruser"), "masteruser");
    assert_eq!(server.shell("ls -d /tmp/ringbolt* 2>/dev/null").stdout, "");
    assert_eq!(server.processes().matches("-server").count(), 1, "{}", server.processes());
}

#[test]
fn transfers_during_a_redis_dump_are_whole_or_not_there() {
    let world = World::new();
    let bank = REDIS_7.start(&world, "bank", &[("enable", "true")]);
    REDIS_7.seed(&bank);
    REDIS_7.ask(&bank, "MSET from 1000000 to 0");
    let transfers =
        "while printf 'MULTI\\nDECR from\\nINCR to\\nEXEC\\n'; do :; done | redis-cli >/dev/null";
    docker(&["exec", "--detach", &bank.name, "sh", "-c", transfers]).expect(0);
    wait_for("a transfer", || REDIS_7.ask(&bank, "GET to") != "0");
    world.ringbolt(&["backup"]).expect(0);
    let fresh = REDIS_7.start(&world, "fresh", &[]);
    let latest = format!("{}@latest", bank.source());
    world.ringbolt(&["restore", &latest, "--into", &fresh.name]).expect(0);
    let number = |key: &str| REDIS_7.ask(&fresh, &format!("GET {key}")).parse::<i64>().unwrap();
    assert!(number("to") > 0);
    assert_eq!(number("from") + number("to"), 1_000_000);
    let left = REDIS_7.ask(&bank, "GET to").parse::<i64>().unwrap();
    assert!(left > number("to"), "nothing was written during the dump");
}

#[test]
fn a_redis_dump_whose_connection_breaks_leaves_nothing() {
    let world = World::new();
    let server = REDIS_7.start(&world, "broken", &[("enable", "true")]);
    REDIS_7.seed(&server);
    let slow = "CONFIG SET rdb-key-save-delay 50000 repl-diskless-sync-delay 0";
    assert_eq!(REDIS_7.ask(&server, slow), "OK");
    let mut command = world.command();
    let command = command.arg("backup").stderr(std::process::Stdio::piped());
    let backup = command.spawn().unwrap();
    wait_for("the dump", || server_info(&server).contains("rdb_bgsave_in_progress:1"));
    REDIS_7.ask(&server, "CLIENT KILL TYPE replica");
    let output = backup.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("I/O Error reading RDB payload") || said.contains("while SYNCing"),
        "{said}"
    );
    assert!(world.files().is_empty());
    assert_eq!(server.shell("ls -d /tmp/ringbolt* 2>/dev/null").stdout, "");
}

#[test]
fn a_redis_user_without_psync_gets_a_snapshot_with_a_warning() {
    let world = World::new();
    let labels = [("enable", "true"), ("user", "saver"), ("password", "env:WORD")];
    let options = ["--env", "WORD=s3cret-pass"];
    let server = world.start(REDIS_7.image, "least", &labels, &options, &[]);
    wait_for("Redis", || server.shell("redis-cli ping").stdout.contains("PONG"));
    REDIS_7.seed(&server);
    let user = "ACL SETUSER saver on '>s3cret-pass' -@all +info +bgsave '+config|get'";
    assert_eq!(REDIS_7.ask(&server, user), "OK");
    let ran = world.ringbolt(&["backup", "--json"]).expect(0).json();
    let archives = ran["sources"][0]["archives"].as_array().unwrap();
    let warnings = |at: usize| archives[at]["warnings"].to_string();
    assert!(warnings(0).contains("BGSAVE") && warnings(1).contains("ACL LIST"), "{ran:#}");
    assert_eq!(archives.len(), 2, "{ran:#}");
    let fresh = REDIS_7.start(&world, "fresh", &[]);
    let latest = format!("{}@latest", server.source());
    world.ringbolt(&["restore", &latest, "--into", &fresh.name]).expect(0);
    equal(&REDIS_7.compared(&server, ""), &REDIS_7.compared(&fresh, ""));
    let known = world.files().values().any(|file| file.windows(11).any(|w| w == b"s3cret-pass"));
    assert!(!known, "the password is in the store");
}

#[test]
fn redis_passwords_are_found_where_they_are() {
    let world = World::new();
    let arguments = ["--requirepass", "s3cret-pass", "--appendonly", "yes", "--save", ""];
    let bare = VALKEY_8.serve(&world, "bare", &[("enable", "true")], &arguments);
    let ran = world.ringbolt(&["backup"]).expect(1);
    ran.says("NOAUTH").says("--requirepass");
    let wrong = docker(&["rm", "--force", "--volumes", &bare.name]);
    wrong.expect(0);
    let labels = [("enable", "true")];
    let options = ["--env", "VALKEY_PASSWORD=s3cret-pass"];
    let server = world.start(VALKEY_8.image, "own", &labels, &options, &arguments);
    wait_for("Valkey", || server.shell("valkey-cli ping").stdout.contains("NOAUTH"));
    let set = "VALKEYCLI_AUTH=s3cret-pass REDISCLI_AUTH=s3cret-pass valkey-cli SET key value";
    server.shell(set).expect(0);
    let ran = world.ringbolt(&["backup", "--json"]).expect(0).json();
    let warnings = ran["sources"][0]["archives"][0]["warnings"].to_string();
    assert!(warnings.contains("append-only file alone"), "{ran:#}");
    // What is restored is there after the server's next start, from its append-only file.
    let target = world.start(VALKEY_8.image, "target", &labels, &options, &arguments);
    wait_for("Valkey", || target.shell("valkey-cli ping").stdout.contains("NOAUTH"));
    let latest = format!("{}@latest", server.source());
    world.ringbolt(&["restore", &latest, "--into", &target.name]).expect(0);
    docker(&["kill", &target.name]).expect(0);
    docker(&["start", &target.name]).expect(0);
    let get = "VALKEYCLI_AUTH=s3cret-pass REDISCLI_AUTH=s3cret-pass valkey-cli GET key";
    wait_for("the restored key", || target.shell(get).stdout.trim() == "value");
}

#[test]
fn redis_users_are_restored_and_nobody_is_changed() {
    let world = World::new();
    let old = REDIS_7.start(&world, "old", &[("enable", "true")]);
    for user in [
        r#"'it"s\me' on '>secret' '~a"b*' '%R~read:*' '&chan*' -@all +get '(~other +set)'"#,
        "there on '>old' +@all",
    ] {
        assert_eq!(REDIS_7.ask(&old, &format!("ACL SETUSER {user}")), "OK");
    }
    REDIS_7.ask(&old, "SET key value");
    world.ringbolt(&["backup"]).expect(0);
    let new = REDIS_7.start(&world, "new", &[]);
    REDIS_7.ask(&new, "ACL SETUSER there on '>new' +ping");
    let before = REDIS_7.ask(&new, "ACL GETUSER there");
    let globals = format!("{}/@globals@latest", old.source());
    let arguments = ["restore", &globals, "--into", &new.name, "--json"];
    let made = world.ringbolt(&arguments).expect(0).json();
    assert_eq!(made["created"].as_array().unwrap().len(), 1, "{made}");
    let again = world.ringbolt(&arguments).expect(0).json();
    assert_eq!(again["created"].as_array().unwrap().len(), 0, "{again}");
    let strange = r#"ACL GETUSER 'it"s\me'"#;
    let found = REDIS_7.ask(&new, strange);
    assert!(found.contains("read:*"), "{found}");
    assert_eq!(REDIS_7.ask(&old, strange), found);
    assert_eq!(before, REDIS_7.ask(&new, "ACL GETUSER there"));
}

#[test]
fn a_node_of_a_redis_cluster_says_so() {
    let world = World::new();
    let labels = [("enable", "true")];
    let node = REDIS_8.serve(&world, "node", &labels, &["--cluster-enabled", "yes"]);
    let owned = REDIS_8.ask(&node, "CLUSTER ADDSLOTSRANGE 0 16383");
    assert_eq!(owned, "OK");
    wait_for("the cluster", || REDIS_8.ask(&node, "CLUSTER INFO").contains("cluster_state:ok"));
    assert_eq!(REDIS_8.ask(&node, "SET key value"), "OK");
    let ran = world.ringbolt(&["backup", "--json"]).expect(0).json();
    let warnings = ran["sources"][0]["archives"][0]["warnings"].to_string();
    assert!(warnings.contains("node of a cluster"), "{ran:#}");
    REDIS_8.ask(&node, "DEL key");
    let latest = format!("{}@latest", node.source());
    let ran = world.ringbolt(&["restore", &latest, "--into", &node.name]).expect(1);
    ran.says("this is a node of a cluster");
    let single = REDIS_8.start(&world, "single", &[]);
    world.ringbolt(&["restore", &latest, "--into", &single.name]).expect(0);
    assert_eq!(REDIS_8.ask(&single, "GET key"), "value");
}

#[test]
fn a_redis_restore_that_is_stopped_leaves_the_target_as_it_was() {
    let world = World::new();
    let old = REDIS_7.start(&world, "old", &[("enable", "true")]);
    REDIS_7.seed(&old);
    world.ringbolt(&["backup"]).expect(0);
    let target = REDIS_7.start(&world, "target", &[]);
    // The target loads so slowly that the end comes while it does.
    let slow = "CONFIG SET key-load-delay 3000 loading-process-events-interval-bytes 1024";
    assert_eq!(REDIS_7.ask(&target, slow), "OK");
    let latest = format!("{}@latest", old.source());
    let mut command = world.command();
    let mut restore = command.args(["restore", &latest, "--into", &target.name]).spawn().unwrap();
    wait_for("the target's loading", || {
        server_info(&target).contains("\nloading:1") || restore.try_wait().unwrap().is_some()
    });
    assert!(restore.try_wait().unwrap().is_none(), "the restore was over too soon");
    let pid = restore.id().to_string();
    let ended = Ran::of(std::process::Command::new("kill").args(["-TERM", &pid]));
    assert_eq!(ended.code, Some(0));
    assert_ne!(restore.wait().unwrap().code(), Some(0));
    assert_untouched(&REDIS_7, &target);
}

fn server_info(server: &Server) -> String {
    server.shell("redis-cli INFO").stdout.replace('\r', "")
}
