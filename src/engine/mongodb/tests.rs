//! The commands: what is in them, what is not, and that scripts hand everything on unharmed. Stubs play
//! the tools, because none could be had; the shell is a real one.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::model::{Database, DatabaseSetting, SecretRef, TableRows, Value};

fn access(password: Option<&SecretRef>) -> Access<'_> {
    Access { user: if password.is_some() { "root" } else { "" }, password, paths: &[] }
}

fn name(name: &str) -> DatabaseName {
    name.parse().unwrap()
}

/// A server with one database, perhaps a member of a replica set, with these users.
fn server(set: Option<&str>, users: Option<&[&str]>) -> Server {
    let answer = serde_json::json!({
        "version": "7.0.14",
        "set": set,
        "databases": [
            {"name": "admin", "bytes": 1},
            {"name": "shop", "bytes": 40960},
            {"name": "local", "bytes": 1},
        ],
        "users": users,
    });
    let answer = format!("{answer}\nmongodump version: 100.9.4\ngit version: x\n0\n");
    let probed = Mongodb.read_probe(answer.as_bytes()).unwrap();
    assert_eq!(probed.tool.unwrap(), "mongodump version: 100.9.4\ngit version: x");
    probed.server
}

fn dump(server: &Server, database: &str, exclude: &[&str]) -> Dump {
    let exclude = exclude.iter().map(|pattern| (*pattern).to_owned()).collect();
    let patterns = Patterns { exclude, ..Patterns::default() };
    let scope = Scope { format: "archive", patterns: &patterns, snapshot: None };
    let password = SecretRef::Env("MONGO_INITDB_ROOT_PASSWORD".to_owned());
    Mongodb.dump(&access(Some(&password)), &Part::Database(name(database)), &scope, server)
}

/// What the tool itself gets; before it come `sh`, `-c`, the script and the tool's name.
fn arguments(command: &Command) -> &[String] {
    &command.argv[4..]
}

const LOGIN: [&str; 4] =
    ["--archive", "--host=127.0.0.1", "--username=root", "--authenticationDatabase=admin"];

#[test]
fn a_probe_tells_the_version_and_what_there_is() {
    let server = server(Some("rs0"), None);
    assert_eq!((server.major, server.superuser), (700, false));
    let found: Vec<_> = server.databases.iter().map(|d| (d.name.as_str(), d.bytes)).collect();
    assert_eq!(found, [("shop", 40960), (WHOLE, 40960)]);
    for (version, major) in [("4.4.29", Some(404)), ("8.0.0-rc1", Some(800)), ("x", None)] {
        let answer = format!(r#"{{"version":"{version}","databases":[],"users":[]}}"#);
        let probed = Mongodb.read_probe(format!("{answer}\n127").as_bytes());
        assert_eq!(probed.ok().map(|probed| probed.server.major), major, "{version}");
    }
    assert!(Mongodb.read_probe(b"").is_err());
}

#[test]
fn every_database_is_one_archive_only_on_a_replica_set() {
    assert_eq!(Mongodb.wanted(&access(None), &server(None, None)), [name("shop")]);
    assert_eq!(Mongodb.wanted(&access(None), &server(Some("rs0"), None)), [name(WHOLE)]);
}

#[test]
fn one_database_is_dumped_with_what_it_cannot_hold_said() {
    let found = dump(&server(None, Some(&["admin.root"])), "shop", &["sessions", "log_*"]);
    let more = ["--db=shop", "--excludeCollection=sessions", "--excludeCollectionsWithPrefix=log_"];
    assert_eq!(arguments(&found.command), [&LOGIN[..], &more].concat());
    assert_eq!(found.warnings.len(), 2, "{:?}", found.warnings);
    assert!(found.warnings[0].contains("only a replica set"), "{:?}", found.warnings);
    assert!(found.warnings[1].contains("users and roles of `admin`"), "{:?}", found.warnings);

    let found = dump(&server(Some("rs0"), Some(&["shop.app", "shopping.x"])), "shop", &[]);
    assert_eq!(arguments(&found.command)[4..], ["--db=shop", "--dumpDbUsersAndRoles"]);
    assert!(found.warnings[0].contains("`databases=*`"), "{:?}", found.warnings);
    assert!(found.warnings[1].contains("--restoreDbUsersAndRoles"), "{:?}", found.warnings);

    let found = dump(&server(None, Some(&["shopping.x"])), "shop", &[]);
    assert_eq!(arguments(&found.command)[4..], ["--db=shop"]);
    let found = dump(&server(None, None), "shop", &[]);
    assert!(found.warnings[1].contains("may not read users"), "{:?}", found.warnings);
}

#[test]
fn all_databases_are_dumped_with_the_oplog_where_there_is_one() {
    let found = dump(&server(Some("rs0"), Some(&[])), WHOLE, &[]);
    assert_eq!(arguments(&found.command), [&LOGIN[..], &["--oplog"]].concat());
    assert_eq!(found.warnings, Vec::<String>::new());
    let found = dump(&server(None, Some(&[])), WHOLE, &[]);
    assert_eq!(arguments(&found.command), LOGIN);
    assert_eq!(found.warnings.len(), 1);
    // `mongodump` cannot, and a label is never silently not heeded.
    let ran = run(&dump(&server(Some("rs0"), None), WHOLE, &["sessions"]).command, None, "");
    assert_eq!((ran.code, ran.output.as_str()), (2, ""));
    assert!(ran.said.contains("label `databases` names"), "{ran:?}");
}

fn restore(like: &str, set: Option<&str>, to: &str) -> Restore {
    let whole = server(set, None).databases.pop().unwrap();
    let settings: Vec<DatabaseSetting> = if like == WHOLE { whole.settings } else { Vec::new() };
    let like = Database { settings, ..Database::named(name(like)) };
    let to = name(to);
    let to = Destination { format: "archive", staged: &to, name: &to, like: &like, major: 700 };
    let password = SecretRef::Env("X".to_owned());
    Mongodb.restore(&access(Some(&password)), &to)
}

#[test]
fn a_restore_goes_where_it_is_told_and_nowhere_else() {
    let strict = ["--stopOnError", "--bypassDocumentValidation"];
    let base = [&LOGIN[..], &strict].concat();
    for (like, set, to, more) in [
        ("shop", None, "shop", &[][..]),
        ("shop", None, "a*b", &["--nsFrom=shop.*", r"--nsTo=a\*b.*"]),
        ("a*b", None, "shop", &[r"--nsFrom=a\*b.*", "--nsTo=shop.*"]),
        (WHOLE, None, WHOLE, &[]),
        (WHOLE, Some("rs0"), WHOLE, &["--oplogReplay"]),
    ] {
        let found = restore(like, set, to);
        assert_eq!(arguments(&found.load), [&base[..], more].concat(), "{like} to {to}");
        assert_eq!((found.create, found.settle), (None, None));
    }
    for (like, to, why) in [
        (WHOLE, "shop", "leave `--database` away"),
        ("shop", WHOLE, "no database can be called"),
        ("shop", "admin", "belongs to the server"),
        ("shop", "local", "belongs to the server"),
    ] {
        let found = restore(like, None, to);
        for command in [found.load, found.discard] {
            let ran = run(&command, None, "");
            assert_eq!(ran.code, 2, "{like} to {to}: {ran:?}");
            assert!(ran.said.contains(why), "{like} to {to}: {ran:?}");
        }
    }
    assert_eq!(run(&restore(WHOLE, None, WHOLE).discard, None, "").code, 2);
}

#[test]
fn a_replayed_oplog_leaves_nothing_to_compare() {
    let rows = |schema: &str, table: &str, rows| TableRows {
        schema: schema.to_owned(),
        table: table.to_owned(),
        rows,
    };
    let asked = |oplog| {
        let tables = vec![rows("", "oplog", oplog), rows("shop", "orders", 9)];
        let facts = Facts { tables, ..Facts::default() };
        Mongodb.ask_facts(&access(None), &name(WHOLE), &facts).stdin.unwrap()
    };
    assert!(asked(1).contains(r#""tables":[["shop","orders"]],"views":false"#));
    assert!(asked(2).contains(r#""tables":[],"views":false"#));
    // A collection of that name in a database is one like others.
    let facts = Facts { tables: vec![rows("", "oplog", 5)], ..Facts::default() };
    let one = Mongodb.ask_facts(&access(None), &name("shop"), &facts).stdin.unwrap();
    assert!(one.contains(r#""tables":[["","oplog"]],"views":true"#), "{one}");
}

#[test]
fn an_image_s_own_variables_are_enough() {
    let env = |pairs: &[(&str, &str)]| {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Mongodb.defaults(&pairs.iter().map(own).collect())
    };
    let stock = env(&[
        ("MONGO_INITDB_ROOT_USERNAME", "boss"),
        ("MONGO_INITDB_ROOT_PASSWORD", "x"),
        ("MONGO_INITDB_DATABASE", "shop"),
    ]);
    assert_eq!(stock.user, "boss");
    assert_eq!(stock.password, Some(SecretRef::Env("MONGO_INITDB_ROOT_PASSWORD".to_owned())));
    assert_eq!(stock.databases, Databases::All);
    let bitnami = env(&[("MONGODB_ROOT_PASSWORD_FILE", "/run/secrets/db")]);
    assert_eq!(bitnami.user, "root");
    assert_eq!(bitnami.password, Some(SecretRef::File("/run/secrets/db".to_owned())));
    let open = env(&[]);
    assert_eq!((open.user.as_str(), open.password), ("", None));
}

#[derive(Debug)]
struct Ran {
    code: i32,
    output: String,
    said: String,
}

/// A folder with stubs on the path. They are gone when this is.
struct Stubs(PathBuf);

impl Stubs {
    fn new(programs: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = format!("ringbolt-stubs-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        for (program, text) in programs {
            use std::os::unix::fs::PermissionsExt as _;
            let path = folder.join(program);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder)
    }
}

impl Drop for Stubs {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Runs a command as a transport would, with the stubs before everything else.
fn run(command: &Command, stubs: Option<&Stubs>, password: &str) -> Ran {
    let path = std::env::var("PATH").unwrap();
    let path = stubs.map_or(path.clone(), |stubs| format!("{}:{path}", stubs.0.display()));
    let mut ran = std::process::Command::new(&command.argv[0]);
    ran.args(&command.argv[1..]).env("PATH", path);
    for (name, value) in &command.env {
        match value {
            Value::Text(text) => ran.env(name, text),
            Value::Secret(_) => ran.env(name, password),
        };
    }
    ran.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = ran.spawn().unwrap();
    let input = command.stdin.clone().unwrap_or_default();
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        output: String::from_utf8(output.stdout).unwrap(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

const PASSWORDS: [&str; 10] = [
    "simple",
    "",
    "it's \"quoted\"",
    r"back\slash\\ \n \",
    "two\nlines\n",
    "\n\n",
    "$(touch /tmp/no) `id` ${HOME} $PATH",
    "tab\tand\rreturn",
    "pässwörd 密码 🔑",
    "END\nuri: mongodb://evil/ # {\"a\": [x]}",
];

/// The text of a YAML file with one key, read as YAML reads what is between double quotes; JSON's
/// escapes are among YAML's.
fn password_of(config: &str) -> String {
    let value = config.strip_prefix("password: ").unwrap().strip_suffix('\n').unwrap();
    serde_json::from_str(value).unwrap_or_else(|error| panic!("{error}: {config:?}"))
}

#[test]
fn a_password_reaches_a_tool_by_its_configuration_alone() {
    let stub = r#"printf '%s\n' "$@" >&2; env | grep -c RINGBOLT_PASSWORD >&2; exec cat /dev/fd/4"#;
    let stubs = Stubs::new(&[("mongodump", stub), ("mongorestore", stub)]);
    let dump = dump(&server(None, Some(&[])), "shop", &[]).command;
    for command in [&dump, &restore("shop", None, "shop").load] {
        for password in PASSWORDS {
            let ran = run(command, Some(&stubs), password);
            assert_eq!(ran.code, 0, "{ran:?}");
            assert_eq!(password_of(&ran.output), password);
            let said: Vec<&str> = ran.said.lines().collect();
            assert_eq!(said[0], "--config=/dev/fd/4");
            assert_eq!(&said[1..5], LOGIN);
            assert_eq!(said.last(), Some(&"0"), "it is still in the environment: {ran:?}");
        }
    }
    // Without a password there is no file to look for one in.
    let scope = Scope { format: "archive", patterns: &Patterns::default(), snapshot: None };
    let part = Part::Database(name("shop"));
    let open = Mongodb.dump(&access(None), &part, &scope, &server(None, None));
    let ran = run(&open.command, Some(&stubs), "");
    assert_eq!(ran.said, "--archive\n--host=127.0.0.1\n--db=shop\n0\n");
}

#[test]
fn a_dump_passes_on_bytes_exit_code_and_complaints_but_no_progress() {
    let stub = r#"printf 'a\0b\377\n'
at=2024-05-01T10:00:00.123+0200
printf "$at\twriting shop.orders to archive on stdout\n" >&2
printf "$at\t[####....]  shop.orders  101/202  (50.0%%)\n\n" >&2
printf "$at\tdone dumping shop.orders (202 documents)\n$at\tdumped 1 oplog entry\n" >&2
printf "$at\tthe collection shop.x appears to have been dropped\n" >&2
[ -z "$FAILS" ] || { printf "$at\tFailed: writing is hard\n" >&2; exit 3; }"#;
    let stubs = Stubs::new(&[("mongodump", stub)]);
    let mut command = dump(&server(None, Some(&[])), "shop", &[]).command;
    // Bytes are looked at as a number of them: they are no text.
    command.argv[2] = format!("({}) | od -An -c; exit 0", command.argv[2]);
    let ran = run(&command, Some(&stubs), "x");
    assert_eq!(ran.output.split_whitespace().collect::<Vec<_>>(), ["a", "\\0", "b", "377", "\\n"]);
    let dropped =
        "2024-05-01T10:00:00.123+0200\tthe collection shop.x appears to have been dropped\n";
    assert_eq!(ran.said, dropped);

    let failing = dump(&server(None, Some(&[])), "shop", &[]).command;
    let mut failing = failing.env("FAILS", Value::Text("1".to_owned()));
    failing.argv[2] = failing.argv[2].replace("exec 3>&1\n", "exec 3>/dev/null\n");
    let ran = run(&failing, Some(&stubs), "x");
    assert_eq!((ran.code, ran.output.as_str()), (3, ""));
    assert!(ran.said.ends_with("Failed: writing is hard\n"), "{ran:?}");
}

#[test]
fn a_question_reaches_either_shell_and_only_its_answer_comes_back() {
    let stub =
        r#"echo "Warning: no history"; printf 'RINGBOLT %s\n' "$(cat /dev/fd/4)"; echo undefined"#;
    let password = SecretRef::Env("X".to_owned());
    let hostile = name("a\"b'$(id)\\");
    let command = Mongodb.count_objects(&access(Some(&password)), &hostile);
    for shell in ["mongosh", "mongo"] {
        let stubs = Stubs::new(&[(shell, stub)]);
        for password in PASSWORDS {
            let ran = run(&command, Some(&stubs), password);
            let answer: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
            assert_eq!(answer["password"], password);
            assert_eq!(answer["asked"]["database"], hostile.as_str());
            assert_eq!(answer["asked"]["user"], "root");
        }
        let open = run(&Mongodb.count_objects(&access(None), &hostile), Some(&stubs), "");
        let answer: serde_json::Value = serde_json::from_str(&open.output).unwrap();
        assert!(answer["password"].is_null());
    }
    let stubs = Stubs::new(&[("mongosh", "echo 'Authentication failed.'; exit 1")]);
    let ran = run(&command, Some(&stubs), "x");
    assert_eq!((ran.code, ran.output.as_str()), (1, ""));
    assert_eq!(ran.said, "Authentication failed.\n");
    assert!(Mongodb.advice(&ran.said).is_some());
}

#[test]
fn one_command_asks_the_server_and_the_tool() {
    let shell = r#"echo 'RINGBOLT {"version":"8.0.4","set":null,"databases":[],"users":[]}'"#;
    let stubs =
        Stubs::new(&[("mongosh", shell), ("mongodump", "echo mongodump version: 100.10.0")]);
    let ran = run(&Mongodb.probe(&access(None)), Some(&stubs), "");
    let probed = Mongodb.read_probe(ran.output.as_bytes()).unwrap();
    assert_eq!(
        (probed.server.major, probed.tool),
        (800, Ok("mongodump version: 100.10.0".to_owned()))
    );
    let stubs = Stubs::new(&[("mongosh", shell)]);
    let ran = run(&Mongodb.probe(&access(None)), Some(&stubs), "");
    let probed = Mongodb.read_probe(ran.output.as_bytes()).unwrap();
    assert!(probed.tool.is_err(), "there is no mongodump on this machine: {probed:?}");
}

#[test]
fn no_script_holds_what_anybody_wrote() {
    let password = SecretRef::Env("X".to_owned());
    let hostile = name("hostile$(id)");
    let access = access(Some(&password));
    let (server, scope) = (
        server(None, Some(&[])),
        Scope { format: "archive", patterns: &Patterns::default(), snapshot: None },
    );
    let commands = [
        Mongodb.dump(&access, &Part::Database(hostile.clone()), &scope, &server).command,
        restore("shop", None, "hostile$(id)").load,
        restore("shop", None, "hostile$(id)").discard,
        Mongodb.count_objects(&access, &hostile),
        Mongodb.ask_facts(&access, &hostile, &Facts::default()),
    ];
    for command in commands {
        assert_eq!(command.argv[..2], ["sh", "-c"]);
        // The script, and where `mongosh` is asked, its script.
        for text in command.argv[2..].iter().filter(|text| text.contains('\n')) {
            assert!(!text.contains("hostile"), "{text}");
        }
        assert!(command.argv.iter().all(|text| !text.contains("secret")));
    }
}
