//! The sidecar on a real engine: it finds, runs, survives what Docker does, and ends cleanly.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::world::{Server, World, docker, wait_for};

/// A sidecar that lives, and what it has said so far.
pub(crate) struct Sidecar {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Sidecar {
    pub(crate) fn start(world: &World, arguments: &[&str]) -> Self {
        let data = format!("data_dir={}", world.folder.join("data").display());
        let mut command = world.command();
        command.args(["run", "--set", &data]).args(arguments).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let said = Arc::new(Mutex::new(String::new()));
        let hears = said.clone();
        std::thread::spawn(move || {
            for line in stderr.lines() {
                let mut said = hears.lock().unwrap();
                said.push_str(&line.unwrap());
                said.push('\n');
            }
        });
        Self { child, said }
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn wait(&self, words: &str) {
        self.wait_times(words, 1);
    }

    #[track_caller]
    fn wait_times(&self, words: &str, times: usize) {
        let begin = std::time::Instant::now();
        while self.said().matches(words).count() < times {
            let patience = begin.elapsed() < std::time::Duration::from_mins(2);
            assert!(patience, "`{words}` was not said {times} times:\n{}", self.said());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Asks for a clean end, and expects one.
    #[track_caller]
    pub(crate) fn end(mut self) -> String {
        self.signal("TERM");
        let code = self.child.wait().unwrap().code();
        assert_eq!(code, Some(0), "{}", self.said());
        self.wait("ringbolt ends");
        self.said()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A server whose dump waits until the table's lock is given back.
fn held(world: &World, labels: &[(&str, &str)]) -> Server {
    let server = world.postgres("db", labels, &[]);
    server.sql("keeper", "CREATE TABLE t AS SELECT 1 i");
    hold(&server);
    server
}

/// Locks the table until [`let_go`]. The session has to end well: PostgreSQL, being the first process
/// of the container, takes an orphan's bad end for the crash of a backend of its own.
fn hold(server: &Server) {
    let lock = "rm -f /tmp/go; printf 'BEGIN; LOCK TABLE t;\n\\\\! while [ ! -e /tmp/go ]; do sleep 0.1; done\nCOMMIT;\n' |
        psql --quiet --username=keeper >/dev/null 2>&1 &";
    server.shell(lock).expect(0);
    wait_for("the lock", || {
        server.sql("keeper", "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 't'::regclass") == "1"
    });
}

fn let_go(server: &Server) {
    server.shell("touch /tmp/go").expect(0);
}

const EVERY_2_S: (&str, &str) = ("schedule", "*/2 * * * * *");

#[test]
fn it_backs_up_what_is_due_and_ends_when_asked() {
    let world = World::new();
    world.postgres("db", &[("enable", "true"), ("name", "shop"), EVERY_2_S], &[]);
    world.postgres("bad", &[("enable", "true"), ("kep", "last=1")], &[]);
    let sidecar = Sidecar::start(&world, &[]);
    sidecar.wait("found 1 source, 1 labelled but UNPROTECTED");
    sidecar.wait(&format!("ALARM unprotected {}-bad", world.prefix));
    sidecar.wait_times("shop succeeded: 2 archives", 2);
    let said = sidecar.end();
    assert!(said.contains("shop begins (schedule)"), "{said}");
    let archives = world.list();
    assert!(archives.len() >= 4 && archives.len().is_multiple_of(2), "{said}");
    world.ringbolt(&["verify"]).expect(0);
    let show = world.ringbolt(&["show", "shop@latest", "--json"]).expect(0).json();
    assert_eq!(show["manifest"]["trigger"], "schedule");
}

#[test]
fn it_finds_what_comes_and_forgets_what_goes() {
    let world = World::new();
    let sidecar = Sidecar::start(&world, &[]);
    sidecar.wait("found 0 sources");
    // Long before the next full list, so Docker's hint was heard.
    let server = world.postgres("db", &[("enable", "true"), ("name", "shop"), EVERY_2_S], &[]);
    sidecar.wait("found 1 source");
    sidecar.wait("shop succeeded");
    docker(&["stop", "--time=1", &server.name]).expect(0);
    sidecar.wait("found 0 sources, 1 labelled but UNPROTECTED");
    sidecar.wait(&format!("ALARM unprotected {}", server.name));
    docker(&["start", &server.name]).expect(0);
    sidecar.wait_times("found 1 source", 2);
    sidecar.wait(&format!("alarm ends: unprotected {}", server.name));
    docker(&["rm", "--force", "--volumes", &server.name]).expect(0);
    sidecar.wait_times("found 0 sources", 3);
    // Another label is another container, perhaps under the same name.
    world.postgres("db", &[("enable", "true"), ("name", "moved"), EVERY_2_S], &[]);
    sidecar.wait("moved succeeded");
    let said = sidecar.end();
    let moved = said.split("moved begins").nth(1).unwrap();
    assert!(!moved.contains("shop begins"), "{said}");
}

#[test]
fn a_container_that_is_recreated_in_a_dump_has_one_job_afterwards() {
    let world = World::new();
    let labels = [("enable", "true"), ("name", "shop"), EVERY_2_S];
    let server = held(&world, &labels);
    let sidecar = Sidecar::start(&world, &[]);
    wait_for("the dump", || server.processes().contains("pg_dump --"));
    docker(&["rm", "--force", "--volumes", &server.name]).expect(0);
    world.postgres("db", &labels, &[]);
    sidecar.wait("shop succeeded");
    let said = sidecar.end();
    let first = said.find("shop cancelled").or(said.find("shop failed"));
    assert!(first < said.find("shop succeeded"), "{said}");
    let begun = said.matches("shop begins").count();
    let ended =
        ["succeeded", "failed", "cancelled"].map(|w| said.matches(&format!("shop {w}")).count());
    assert_eq!(begun, ended.iter().sum::<usize>(), "{said}");
}

#[test]
fn a_lost_docker_is_found_again() {
    let mut world = World::new();
    world.postgres("db", &[("enable", "true"), ("name", "shop"), EVERY_2_S], &[]);
    let gate = crate::faults::proxy::gate(&world);
    world.docker_host = Some(gate.address.clone());
    let sidecar = Sidecar::start(&world, &[]);
    sidecar.wait("shop succeeded");
    gate.close();
    sidecar.wait("Docker is lost");
    gate.open();
    sidecar.wait("Docker is there again");
    let before = sidecar.said().matches("shop succeeded").count();
    sidecar.wait_times("shop succeeded", before + 1);
    sidecar.end();
}

#[test]
fn asked_to_stop_in_a_dump_it_lets_it_end_or_ends_it() {
    let world = World::new();
    let server = held(&world, &[("enable", "true"), ("name", "shop"), EVERY_2_S]);
    let sidecar = Sidecar::start(&world, &["--set", "schedule.grace=60s"]);
    wait_for("the dump", || server.processes().contains("pg_dump --"));
    sidecar.signal("TERM");
    sidecar.wait("asked to stop: 1 run may end");
    let_go(&server);
    sidecar.wait("shop succeeded: 2 archives");
    sidecar.wait("ringbolt ends");
    drop(sidecar);
    assert_eq!(world.list().len(), 2);

    hold(&server);
    let sidecar = Sidecar::start(&world, &["--set", "schedule.grace=1s"]);
    wait_for("the dump", || server.processes().contains("pg_dump --"));
    let said = sidecar.end();
    assert!(said.contains("shop cancelled"), "{said}");
    assert!(!server.processes().contains("pg_dump"), "a dump is left in the container");
    assert_eq!(world.list().len(), 2);
    let leftovers = world.files().into_keys().filter(|name| name.contains(".tmp")).count();
    assert_eq!(leftovers, 0);
}

#[test]
fn a_killed_sidecar_goes_on_where_it_was() {
    let world = World::new();
    let server =
        held(&world, &[("enable", "true"), ("name", "shop"), ("schedule", "*/2 * * * * *")]);
    let mut sidecar = Sidecar::start(&world, &[]);
    wait_for("the dump", || server.processes().contains("pg_dump --"));
    sidecar.child.kill().unwrap();
    sidecar.child.wait().unwrap();
    let_go(&server);
    wait_for("the end of the orphaned dump", || !server.processes().contains("pg_dump --"));
    let sidecar = Sidecar::start(&world, &["--set", "defaults.timezone=UTC"]);
    sidecar.wait("shop was interrupted");
    sidecar.wait("shop succeeded");
    sidecar.end();
    let data = format!("data_dir={}", world.folder.join("data").display());
    let history = ["history", "--json", "--set", &data];
    let history = world.ringbolt(&history).expect(0).stdout;
    assert!(history.contains("interrupted") && history.contains("succeeded"), "{history}");
    let leftovers = world.files().into_keys().filter(|name| name.contains(".tmp")).count();
    assert_eq!(leftovers, 0);

    // The history may be deleted, or damaged, at any time: the stores know enough.
    let file = std::fs::read_dir(world.folder.join("data")).unwrap();
    for entry in file {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::write(path, "no history").unwrap();
        }
    }
    let sidecar = Sidecar::start(&world, &[]);
    sidecar.wait("the history could not be read");
    sidecar.wait("shop succeeded");
    sidecar.end();
    let history = world.ringbolt(&["history", "--json", "--set", &data]).expect(0).stdout;
    assert!(history.matches("succeeded").count() > 1, "{history}");
}

#[test]
fn two_sidecars_never_live_on_one_history() {
    let world = World::new();
    let first = Sidecar::start(&world, &[]);
    first.wait("found 0 sources");
    let data = format!("data_dir={}", world.folder.join("data").display());
    world.ringbolt(&["run", "--set", &data]).expect(2).says("another sidecar lives on");
    // A lock of one that was killed is none.
    drop(first);
    let next = Sidecar::start(&world, &[]);
    next.wait("found 0 sources");
    next.end();
}

#[test]
fn a_full_disk_of_the_history_stops_no_backup() {
    let world = World::new();
    world.postgres("db", &[("enable", "true"), ("name", "shop"), EVERY_2_S], &[]);
    let data = world.folder.join("data");
    std::fs::create_dir(&data).unwrap();
    let mut command = Command::new("unshare");
    world.settle(&mut command);
    let script = "mount -t tmpfs -o size=2m tmpfs \"$DATA\"
        \"$RINGBOLT\" run --set data_dir=\"$DATA\" 2>\"$DATA.log\" & sidecar=$!
        until grep -q 'shop succeeded' \"$DATA.log\"; do sleep 0.1; done
        cat /dev/zero >\"$DATA/fill\" 2>/dev/null || true
        before=$(grep -c 'shop succeeded' \"$DATA.log\")
        until [ $(grep -c 'shop succeeded' \"$DATA.log\") -gt $((before + 1)) ]; do sleep 0.1; done
        kill $sidecar; wait $sidecar";
    command.args(["--mount", "timeout", "100", "sh", "-euc", script]);
    command.env("DATA", &data).env("RINGBOLT", crate::world::BINARY);
    let ran = crate::world::Ran::of(&mut command);
    let said = std::fs::read_to_string(format!("{}.log", data.display())).unwrap();
    assert_eq!(ran.code, Some(0), "{ran:?}\n{said}");
    assert!(said.contains("set `data_dir` to another one"), "{said}");
    world.ringbolt(&["verify"]).expect(0);
}

#[test]
fn what_is_done_by_hand_counts_too() {
    let world = World::new();
    let labels = [("enable", "true"), ("name", "shop"), ("schedule", "manual"), ("rpo", "5s")];
    world.postgres("db", &labels, &[]);
    let sidecar = Sidecar::start(&world, &[]);
    sidecar.wait("ALARM never_succeeded shop");
    let data = format!("data_dir={}", world.folder.join("data").display());
    world.ringbolt(&["backup", "--set", &data]).expect(0);
    // A list comes when anything happens to a container of ours, and every minute.
    world.postgres("other", &[("enable", "true"), ("schedule", "manual")], &[]);
    sidecar.wait("alarm ends: never_succeeded shop");
    sidecar.end();
}

#[test]
fn settings_are_read_again_when_asked() {
    let world = World::new();
    world.postgres("db", &[("enable", "true"), ("name", "shop")], &[]);
    let file = world.folder.join("ringbolt.toml");
    std::fs::write(&file, "[schedule]\nconcurrency = 1\n").unwrap();
    let path = file.display().to_string();
    let sidecar = Sidecar::start(&world, &["--config", &path]);
    sidecar.wait("found 1 source");
    std::fs::write(&file, "[schedule]\nconcurency = 1\n[defaults]\nkeep = \"7\"\n").unwrap();
    sidecar.signal("HUP");
    sidecar.wait("did you mean `schedule.concurrency`?");
    sidecar.wait("the settings are wrong, and stay as they were");
    let right =
        "[docker]\nhost = \"tcp://127.0.0.1:1\"\n[defaults]\nschedule = \"*/2 * * * * *\"\n";
    std::fs::write(&file, right).unwrap();
    sidecar.signal("HUP");
    sidecar.wait("applied defaults.schedule, schedule.concurrency");
    sidecar.wait("these need a restart: docker.host");
    // It is told for as long as it is so.
    sidecar.signal("HUP");
    sidecar.wait("applied nothing");
    sidecar.wait_times("these need a restart: docker.host", 2);
    sidecar.wait("shop succeeded");
    sidecar.end();
}

/// The settings whose effect [`every_setting_of_life_has_an_effect`] looks for here, and
/// `spec/sidecar/` without a real engine.
pub(crate) const SETTINGS_OF_LIFE: [&str; 10] = [
    "stores.<name>.concurrency",
    "schedule.concurrency",
    "schedule.jitter",
    "schedule.blackout",
    "schedule.retries",
    "schedule.grace",
    "alarms.failures",
    "alarms.shrunk",
    // In `rolling.rs`.
    "verify.share",
    "verify.level",
];

#[test]
fn every_setting_of_life_has_an_effect() {
    let world = World::new();
    // Each sidecar remembers nothing of the one before.
    let lives = std::cell::Cell::new(0);
    let start = |settings: &[&str]| {
        lives.set(lives.get() + 1);
        let data = format!("data_dir={}/data-{}", world.folder.display(), lives.get());
        let mut flags: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        flags.extend(["--set", &data]);
        Sidecar::start(&world, &flags)
    };
    // Three jobs of one server, whose dumps wait for a lock; what is at work is what is said.
    let labels = [
        ("enable", "true"),
        ("name", "shop"),
        ("schedule", "*/5 * * * * *"),
        ("job.two.priority", "low"),
        ("job.three.priority", "low"),
    ];
    let server = held(&world, &labels);
    let begun = |settings: &[&str], expected: usize| {
        let sidecar = start(&[settings, &["schedule.grace=1s"]].concat());
        // When the first has gone past its first due time, every other that may begin has begun.
        sidecar.wait_times("dumping", expected);
        sidecar.wait_times("merged with a run that", 1);
        let said = sidecar.end();
        assert_eq!(said.matches(" begins (").count(), expected, "{settings:?}: {said}");
        assert_eq!(said.matches(" cancelled").count(), expected, "grace is over: {said}");
    };
    begun(&["schedule.concurrency=1"], 1);
    begun(&["schedule.concurrency=5"], 3);
    begun(&["schedule.concurrency=5", "stores.local.concurrency=2"], 2);
    let_go(&server);

    let closed = start(&["schedule.blackout=00:00-12:00,12:00-23:59,23:59-00:00"]);
    closed.wait("found 3 sources");
    std::thread::sleep(std::time::Duration::from_secs(7));
    let said = closed.end();
    assert!(!said.contains(" begins ("), "{said}");
    let late = start(&["schedule.jitter=52w"]);
    late.wait("found 3 sources");
    std::thread::sleep(std::time::Duration::from_secs(7));
    let said = late.end();
    assert!(!said.contains(" begins ("), "{said}");

    // Failures: tried again or not, and an alarm after as many as was said.
    server.shell("mv $(command -v pg_dump) /tmp/away").expect(0);
    let failing = start(&["alarms.failures=2", "schedule.retries=0", "schedule.concurrency=5"]);
    failing.wait("ALARM failing shop: its last 2 runs failed");
    failing.end();
    server.shell("mv /tmp/away /usr/lib/postgresql/15/bin/pg_dump").expect(0);
}

#[test]
fn a_hundred_containers_at_once_are_a_hundred_jobs() {
    let world = World::new();
    let sidecar = Sidecar::start(&world, &[]);
    sidecar.wait("found 0 sources");
    let line = format!(
        "for i in $(seq 100); do docker run --detach --network=none --name {0}-$i \
         --label org.ringbolt.spec={0} --label {0}.enable=true --label {0}.name=n$i \
         --entrypoint sleep {1} infinity & [ $((i % 8)) = 0 ] && wait; done; wait",
        world.prefix,
        crate::world::POSTGRES
    );
    let ran = crate::world::Ran::of(Command::new("bash").args(["-c", &line]));
    assert_eq!(ran.stdout.lines().count(), 100, "{ran:?}");
    sidecar.wait("found 100 sources");
    let ids = docker(&[
        "ps",
        "--quiet",
        "--filter",
        &format!("label=org.ringbolt.spec={}", world.prefix),
    ]);
    let ids: Vec<&str> = ids.stdout.split_whitespace().collect();
    docker(&[&["rm", "--force", "--volumes"], ids.as_slice()].concat()).expect(0);
    sidecar.wait_times("found 0 sources", 2);
    sidecar.end();
}

#[test]
fn as_the_first_process_it_reaps_orphans() {
    let world = World::new();
    let data = format!("data_dir={}", world.folder.join("data").display());
    let mut command = Command::new("unshare");
    world.settle(&mut command);
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", crate::world::BINARY]);
    let mut outside = command.args(["run", "--set", &data]).stderr(Stdio::null()).spawn().unwrap();
    let children = |pid: u32| -> Vec<u32> {
        let file = format!("/proc/{pid}/task/{pid}/children");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    };
    wait_for("the sidecar", || children(outside.id()).len() == 1);
    let first = children(outside.id())[0];
    let target = first.to_string();
    // An orphan in its namespace: its parent ends at once, so it becomes the first process's child.
    wait_for("the history", || world.folder.join("data").is_dir());
    let orphan = ["--pid", "--target", &target, "sh", "-c", "sleep 1 & exit 0"];
    assert!(Command::new("nsenter").args(orphan).status().unwrap().success());
    wait_for("the orphan", || children(first).len() == 1);
    wait_for("its end", || children(first).is_empty());
    outside.kill().unwrap();
    outside.wait().unwrap();
}
