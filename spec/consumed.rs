//! No option is accepted and then ignored: for every label and every setting there is an effect that
//! is looked for here, on a real server. A row that nobody looks for fails.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use ringbolt::history::NewRun;
use ringbolt::labels::LABELS;
use ringbolt::model::Trigger;
use ringbolt::settings::SETTINGS;
use serde_json::Value;

use crate::encryption::pair;
use crate::world::{World, docker, wait_for};

/// Rows that take one value only, which is what this version always does.
const ONLY_ONE: [&str; 3] = ["compress.at", "parallel", "notify"];

/// What has been looked for.
struct Seen(BTreeSet<&'static str>);

impl Seen {
    #[track_caller]
    fn check(&mut self, key: &'static str, effect: bool) {
        assert!(effect, "`{key}` has no effect");
        self.0.insert(key);
    }
}

fn of<'a>(list: &'a Value, field: &str, name: &str) -> &'a Value {
    let all = list.as_array().unwrap();
    all.iter().find(|one| one[field] == name).unwrap_or_else(|| panic!("no {name} in {list:#}"))
}

#[test]
fn every_label_has_an_effect() {
    let world = World::with_helper();
    let (recipient, identity) = pair();
    let offsite = world.folder.join("offsite");
    // One container, a job for each label: what is not said is as in the first job.
    let labels = [
        ("enable", "true"),
        ("name", "shop"),
        ("databases", "keeper"),
        ("job.off.enable", "false"),
        ("job.all.databases", "*"),
        ("job.reader.user", "reader"),
        ("job.reader.password", "env:READER"),
        ("job.only.include", "public.a"),
        ("job.less.exclude", "public.a*"),
        ("job.shell.exclude-data", "public.a"),
        ("job.sql.format", "plain"),
        ("job.gzip.compress", "gzip:1"),
        ("job.echoed.digest.at", "both"),
        ("job.sealed.encrypt", "team"),
        ("job.deep.verify", "deep"),
        ("job.away.stores", "offsite"),
        ("job.proven.verify", "drill"),
        ("job.proven.verify.checksums", "true"),
        ("job.timed.schedule", "0 3 * * *"),
        ("job.timed.timezone", "Asia/Tokyo"),
        ("job.few.keep", "last=1"),
        ("job.late.rpo", "1s"),
        ("job.short.timeout", "8s"),
        ("job.short.hook.before", r#"["sleep", "30"]"#),
        ("job.silent.stall", "8s"),
        ("job.silent.hook.before", r#"["sleep", "30"]"#),
        ("job.silent.hook.after", r#"["touch", "/tmp/after"]"#),
        ("job.first.priority", "critical"),
        ("job.last.priority", "critical"),
        ("job.last.after", "shop-only,shop"),
    ];
    let server = world.postgres("db", &labels, &["--env", "READER=r-pass"]);
    server.sql(
        "keeper",
        "CREATE TABLE a AS SELECT 1 i; CREATE TABLE b AS SELECT 1 i; CREATE DATABASE other;
         CREATE ROLE reader LOGIN SUPERUSER PASSWORD 'r-pass';",
    );
    // What only engines of files take.
    let labels = [
        ("enable", "true"),
        ("name", "app"),
        ("engine", "files"),
        ("path", "/etc"),
        ("hold", "stop"),
    ];
    let volume = ["--volume", "/etc"];
    let app = world.start("ringbolt-spec/app:bookworm", "app", &labels, &volume, &[]);
    let started = || docker(&["inspect", "--format", "{{.State.StartedAt}}", &app.name]).stdout;
    let before = started();
    let settings = [
        format!("data_dir={}", world.folder.join("state").display()),
        format!("stores.offsite.url=file://{}", offsite.display()),
        format!("encryption.groups.team={recipient}"),
        "stores.local.default=true".to_owned(),
        "labels.policy.refuse=".to_owned(),
    ];
    let mut flags: Vec<&str> = Vec::new();
    for setting in &settings {
        flags.extend(["--set", setting]);
    }
    let run = |words: &[&str]| world.ringbolt(&[words, &flags].concat());

    let backup = run(&["backup", "--json"]).expect(1).json();
    let order: Vec<&str> = backup["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["source"].as_str().unwrap())
        .collect();
    let place = |name: &str| order.iter().position(|source| *source == name);
    run(&["backup", "shop-few"]).expect(0);
    let list = run(&["list", "--json"]).expect(0).json();
    let dry = run(&["--dry-run", "--json"]).expect(0).json();
    let dry = |name: &str| of(&dry["sources"], "source", name).clone();
    let show =
        |name: &str| run(&["show", &format!("{name}/keeper@latest"), "--json"]).expect(0).json();
    let rows = |name: &str| -> Vec<String> {
        let tables = show(name)["manifest"]["facts"]["tables"].clone();
        tables.as_array().unwrap().iter().map(ToString::to_string).collect()
    };
    let failure = |name: &str| {
        of(&backup["sources"], "source", name)["failures"][0]["error"].as_str().unwrap().to_owned()
    };

    let mut seen = Seen(BTreeSet::new());
    seen.check("enable", place("shop").is_some() && place("shop-off").is_none());
    seen.check("name", of(&list, "source", "shop")["container"] == server.name.as_str());
    let databases = |name: &str| {
        let own = list.as_array().unwrap().iter().filter(|archive| archive["source"] == name);
        own.filter(|archive| archive["part"] == "database").count()
    };
    seen.check("databases", databases("shop") == 1 && databases("shop-all") >= 2);
    let access = show("shop-reader")["manifest"]["access"].clone();
    seen.check("engine", of(&list, "source", "app")["engine"] == "files");
    seen.check("path", of(&list, "source", "app")["database"] == "/etc");
    seen.check("hold", started() > before);
    seen.check("user", access["user"] == "reader");
    seen.check("password", access["password"] == "env:READER");
    let only = rows("shop-only");
    seen.check("include", only.len() == 1 && only[0].contains("\"a\""));
    let less = rows("shop-less");
    seen.check("exclude", less.len() == 1 && less[0].contains("\"b\""));
    let shell = show("shop-shell")["manifest"]["command"].to_string();
    let emptied = rows("shop-shell").iter().filter(|table| table.contains("\"a\"")).count() == 0;
    seen.check("exclude-data", emptied && shell.contains("--exclude-table-data=public.a"));
    let payload = |name: &str| show(name)["manifest"]["payload"].as_str().unwrap().to_owned();
    seen.check("format", payload("shop-sql").ends_with(".sql.zst"));
    seen.check("compress", payload("shop-gzip").ends_with(".pgdump.gz"));
    seen.check("digest.at", show("shop-echoed")["manifest"]["digest_at"] == "both");
    seen.check("encrypt", payload("shop-sealed").ends_with(".pgdump.zst.age"));
    let proof = |name: &str| of(&list, "source", name)["proof"].clone();
    seen.check("verify", proof("shop-deep") == "deep" && proof("shop") == "stored");
    seen.check("stores", of(&list, "source", "shop-away")["stores"][0] == "offsite");
    seen.check("verify", show("shop-proven")["proof"] == "drill");
    let sum = show("shop-proven")["manifest"]["census"]["rows public.a"].clone();
    seen.check("verify.checksums", sum.as_str().is_some_and(|known| known.starts_with("1, sum ")));
    seen.check("schedule", dry("shop-timed")["next_runs"].as_array().unwrap().len() == 3);
    let next = dry("shop-timed")["next_runs"][0].as_str().unwrap().to_owned();
    seen.check("timezone", next.contains("T03:00:00+09:00[Asia/Tokyo]"));
    seen.check("keep", !dry("shop-few")["retention"].as_array().unwrap().is_empty());
    seen.check("rpo", dry("shop-late")["overdue"] == true && dry("shop")["overdue"] == false);
    seen.check("timeout", failure("shop-short").contains("the time it may take is over"));
    seen.check("hook.before", failure("shop-short").contains("the hook before the backup"));
    seen.check("stall", failure("shop-silent").contains("nothing came for 8.0s"));
    seen.check("hook.after", server.shell("test -e /tmp/after").code == Some(0));
    seen.check("priority", place("shop-first") == Some(0));
    seen.check("after", place("shop-last") > place("shop-only"));
    wait_for("the end of the hooks", || !server.processes().contains("sleep 30"));

    for label in LABELS {
        let known = ONLY_ONE.contains(&label.key);
        assert!(seen.0.contains(label.key) != known, "nobody looks for label `{}`", label.key);
    }

    // What was encrypted for the group opens with its key, and with no other.
    let file = world.folder.join("team.txt");
    std::fs::write(&file, identity).unwrap();
    let file = file.display().to_string();
    run(&["cat", "shop-sealed/keeper@latest"]).expect(2).says("no identity was given");
    let dump = run(&["cat", "shop-sealed/keeper@latest", "--identity", &file]).expect(0).stdout;
    assert!(dump.starts_with("PGDMP"));
    let restore = [
        "restore",
        "shop-sealed/keeper@latest",
        "--into",
        &server.name,
        "--database",
        "again",
        "-i",
    ];
    run(&[&restore[..], &[&file]].concat()).expect(0);
    assert_eq!(server.sql("again", "SELECT count(*) FROM a"), "1");
}

#[test]
fn every_setting_has_an_effect() {
    let world = World::with_helper();
    let (recipient, identity) = pair();
    let (team, _) = pair();
    let labels = [
        ("enable", "true"),
        ("name", "shop"),
        ("job.file.password", "secret:db"),
        ("job.team.encrypt", "team"),
    ];
    let server = world.postgres("db", &labels, &[]);
    std::fs::write(world.folder.join("db"), "s3cret-pass").unwrap();
    let away = format!("file://{}", world.folder.join("away").display());
    let flags = [
        ("secrets.directory", world.folder.display().to_string()),
        ("encryption.recipients", recipient.clone()),
        ("encryption.groups.team", team),
        ("defaults.compress", "gzip".to_owned()),
        ("stores.away.url", away.clone()),
        ("stores.away.default", "true".to_owned()),
    ]
    .map(|(key, value)| format!("{key}={value}"));
    let mut sets: Vec<&str> = Vec::new();
    for flag in &flags {
        sets.extend(["--set", flag]);
    }
    let run = |words: &[&str]| world.ringbolt(&[words, &sets].concat());
    let dry = run(&["--dry-run", "--json"]).expect(0).json();
    let source = |name: &str| of(&dry["sources"], "source", name);
    let mut seen = Seen(BTreeSet::new());
    seen.check("stores.<name>.url", of(&dry["stores"], "name", "away")["url"] == away.as_str());
    seen.check("stores.<name>.default", source("shop")["store"] == "away");
    seen.check("defaults.<label>", source("shop")["codec"] == "gzip:6");
    seen.check("encryption.recipients", source("shop")["recipients"] == 1);
    seen.check("encryption.groups.<name>", source("shop-team")["recipients"] == 2);
    let words = ["--dry-run", "--json", "--set", "encryption.passphrase=twelve-and-more"];
    let alone = world.ringbolt(&words).json();
    let alone = of(&alone["sources"], "source", "shop");
    let effect = alone["encrypted"] == true && alone["recipients"] == 0;
    seen.check("encryption.passphrase", effect);
    run(&["backup"]).expect(0);
    let text = "RINGBOLT_ENCRYPTION__IDENTITY";
    let mut cat = world.command();
    cat.args(["cat", "shop@latest"]).args(&sets).env(text, &identity);
    seen.check("encryption.identity", crate::world::Ran::of(&mut cat).expect(0).stdout.len() > 5);
    // The last word counts.
    let elsewhere = [&sets[..], &["--dry-run", "--set", "secrets.directory=/nowhere"]].concat();
    let lost = world.ringbolt(&elsewhere).expect(1).stderr.contains("secret:db");
    seen.check("secrets.directory", lost);
    let labels = [("enable", "true"), ("name", "app"), ("engine", "files"), ("path", "/data")];
    world.start("ringbolt-spec/app:bookworm", "app", &labels, &[], &[]);
    let other = run(&["--dry-run", "--set", "docker.helper_image=no-such-image:1"]).expect(1);
    let said = other.says("the image `no-such-image:1` of helper containers is not there");
    seen.check("docker.helper_image", said.stderr.contains("or set `docker.helper_image`"));
    let nobody = run(&["--dry-run", "--set", "labels.prefix=nobody-has-this"]).expect(2);
    seen.check("labels.prefix", nobody.stderr.contains("nobody-has-this.enable=true"));
    let nowhere = run(&["--dry-run", "--set", "docker.host=unix:///nowhere"]).expect(3);
    seen.check("docker.host", nowhere.stderr.contains("unix:///nowhere"));
    // Two days ago and today: the history is what these settings say it is.
    let data = world.folder.join("data");
    let (history, _) = ringbolt::history::open(&data, Timestamp::now()).unwrap();
    for hours in [48, 1] {
        let started_at = Timestamp::now() - SignedDuration::from_hours(hours);
        let (source, trigger) = ("shop".parse().unwrap(), Trigger::Manual);
        let (schedule, due_at) = (None, None);
        history.begin(&NewRun { source, schedule, trigger, due_at, started_at }).unwrap();
    }
    let data = format!("data_dir={}", data.display());
    let runs = |sets: &[&str]| {
        let shown = run(&[&["history", "--json"], sets].concat()).expect(0).json();
        shown["runs"].as_array().unwrap().len()
    };
    seen.check("data_dir", runs(&["--set", &data]) == 2 && runs(&[]) == 0);
    seen.check("history.keep", runs(&["--set", &data, "--set", "history.keep=1d"]) == 1);
    for (key, effect) in crate::docker::effects(&world)
        .into_iter()
        .chain(crate::engines::custom::effects())
        .chain(crate::signing::effects())
    {
        seen.check(key, effect);
    }

    let fixed = ["--set", "sources.named.container=", "--set", "sources.named.compress=gzip:2"];
    let fixed = fixed.map(|flag| match flag {
        "sources.named.container=" => format!("{flag}{}", server.name),
        other => other.to_owned(),
    });
    let fixed: Vec<&str> = fixed.iter().map(String::as_str).collect();
    let named = run(&[&["--dry-run", "--json"], &fixed[..]].concat()).expect(0).json();
    let named = of(&named["sources"], "source", "named");
    seen.check("sources.<name>.container", named["container"] == server.name.as_str());
    seen.check("sources.<name>.<label>", named["codec"] == "gzip:2");

    // The policy: what a label may say without it, it may not say under it, or the other way round.
    let labels = [
        ("enable", "true"),
        ("name", "bound"),
        ("priority", "critical"),
        ("timeout", "2h"),
        ("stall", "10m"),
    ];
    world.postgres("bound", &labels, &[]);
    let bound = |policy: &str| world.ringbolt(&["backup", "--dry-run", "bound", "--set", policy]);
    for (key, policy) in [
        ("labels.policy.priority", "labels.policy.priority=high"),
        ("labels.policy.timeout", "labels.policy.timeout=1h"),
        ("labels.policy.refuse", "labels.policy.refuse=stall"),
    ] {
        bound("labels.policy.timeout=3h").expect(0);
        seen.check(key, bound(policy).expect(2).stderr.contains("bound: `"));
    }
    let literal = [("enable", "true"), ("name", "literal"), ("password", "s3cret-pass")];
    world.postgres(
        "literal",
        &literal,
        &["--env", "POSTGRES_INITDB_ARGS=--auth-local=scram-sha-256"],
    );
    let leave = ["--dry-run", "--set", "labels.policy.literal_passwords=true"];
    let allowed = world.ringbolt(&["backup", "--dry-run", "literal"]).code == Some(2)
        && world.ringbolt(&[&["backup", "literal"], &leave[..]].concat()).code == Some(0);
    seen.check("labels.policy.literal_passwords", allowed);

    for setting in SETTINGS {
        let elsewhere = crate::life::SETTINGS_OF_LIFE.contains(&setting.key)
            || crate::drill::faults::SETTINGS.contains(&setting.key);
        let looked = seen.0.contains(setting.key) || elsewhere;
        assert!(looked, "nobody looks for setting `{}`", setting.key);
    }
}
