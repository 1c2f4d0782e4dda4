//! Secrets: planted in every place where one may be, and looked for in everything that the program
//! says, writes, or lets others see while it runs.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use crate::encryption::pair;
use crate::world::{Ran, Server, World, docker, wait_for};

/// The password of every server of the suite.
const IN_ENVIRONMENT: &str = "s3cret-pass";
const IN_LABEL: &str = "planted-in-a-label";
const IN_WRONG_LABEL: &str = "planted-in-a-wrong-label";
const IN_FILE: &str = "planted-in-a-file";
const UNUSED: &str = "planted-and-never-used";

/// Everything that may not be seen.
fn planted(identity: &str) -> Vec<String> {
    let key = identity.lines().find(|line| line.starts_with("AGE-SECRET-KEY")).unwrap();
    [IN_ENVIRONMENT, IN_LABEL, IN_WRONG_LABEL, IN_FILE, UNUSED, key].map(str::to_owned).into()
}

#[track_caller]
fn check(what: &str, seen: &[u8], planted: &[String]) {
    for secret in planted {
        let found = seen.windows(secret.len()).any(|window| window == secret.as_bytes());
        let shown = String::from_utf8_lossy(seen);
        assert!(!found, "{what} shows `{secret}`: {}", &shown[..shown.len().min(3000)]);
    }
}

/// What Docker tells about every command that was started in a container.
fn inspected(server: &Server) -> Vec<u8> {
    let ids = docker(&["inspect", "--format", "{{json .ExecIDs}}", &server.name]).stdout;
    let ids: Option<Vec<String>> = serde_json::from_str(ids.trim()).unwrap();
    let mut seen = Vec::new();
    for id in ids.unwrap_or_default() {
        let mut socket = UnixStream::connect("/var/run/docker.sock").unwrap();
        let call = format!("GET /exec/{id}/json HTTP/1.0\r\nHost: docker\r\n\r\n");
        socket.write_all(call.as_bytes()).unwrap();
        socket.read_to_end(&mut seen).unwrap();
    }
    seen
}

/// The arguments of every process on this machine, the containers' too.
fn arguments() -> Vec<u8> {
    let mut seen = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        seen.extend(std::fs::read(entry.path().join("cmdline")).unwrap_or_default());
    }
    seen
}

/// Waits until a dump runs, looks around, and lets it go on.
fn look_while_it_runs(server: &Server, mut child: Child, planted: &[String]) -> Ran {
    wait_for("the slow dump", || server.shell("test -e /tmp/began").code == Some(0));
    let seen = inspected(server);
    assert!(!seen.is_empty(), "no command was inspected");
    check("the inspection of a command", &seen, planted);
    check("the list of processes", &arguments(), planted);
    server.shell("touch /tmp/go").expect(0);
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Ran { code: child.wait().unwrap().code(), stdout, stderr }
}

#[test]
fn no_secret_is_seen_anywhere() {
    let world = World::new();
    let (recipient, identity) = pair();
    let mut planted = planted(&identity);
    let signing = world.folder.join("signing.key");
    world.ringbolt(&["keygen", "--signing", "-o", &signing.display().to_string()]).expect(0);
    let signing = std::fs::read_to_string(signing).unwrap();
    planted.push(signing.lines().nth(1).unwrap().to_owned());
    let slow = world.folder.join("pg_dump");
    let script = "#!/bin/sh\ncase \"$1\" in --version) ;; *) touch /tmp/began\n\
        while [ ! -e /tmp/go ]; do sleep 0.1; done ;; esac\nexec /usr/lib/postgresql/15/bin/pg_dump \"$@\"\n";
    std::fs::write(&slow, script).unwrap();
    std::fs::set_permissions(&slow, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mount = format!("{}:/usr/local/bin/pg_dump:ro", slow.display());
    let strict = ["--env", "POSTGRES_INITDB_ARGS=--auth-local=scram-sha-256", "--volume", &mount];
    let unused = format!("OTHER_TOKEN={UNUSED}");
    let own = [&strict[..], &["--env", &unused]].concat();
    let server = world.postgres("db", &[("enable", "true"), ("name", "shop")], &own);
    // The same server under other jobs: a literal that is right, one that is wrong, a wrong file.
    let jobs = [
        ("enable", "true"),
        ("name", "jobs"),
        ("password", IN_ENVIRONMENT),
        ("job.wrong.password", IN_WRONG_LABEL),
        ("job.file.password", "file:/tmp/secret"),
        ("job.side.password", "secret:db"),
        ("job.label.password", IN_LABEL),
        ("job.typo.pasword", IN_LABEL),
    ];
    let other = world.postgres("jobs", &jobs, &strict[..2]);
    other.shell(&format!("echo {IN_FILE} > /tmp/secret")).expect(0);
    std::fs::write(world.folder.join("db"), IN_FILE).unwrap();
    let key = world.folder.join("key.txt");
    std::fs::write(&key, &identity).unwrap();

    let command = |words: &[&str]| {
        let mut command = world.command();
        command.args(words);
        // Whatever could make a library talk, does.
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        command.env("RINGBOLT_SECRETS__DIRECTORY", &world.folder);
        command.env("RINGBOLT_ENCRYPTION__RECIPIENTS", &recipient);
        command.env("RINGBOLT_SIGNING__KEY", &signing);
        command.env("RINGBOLT_ENCRYPTION__IDENTITY", &identity);
        command.env("RINGBOLT_LABELS__POLICY__LITERAL_PASSWORDS", "true");
        command
    };
    let mut slow = command(&["backup", "shop"]);
    let child = slow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ran = look_while_it_runs(&server, child, &planted).expect(0);
    check("the backup", format!("{ran:?}").as_bytes(), &planted);

    for words in [
        &["--dry-run"][..],
        &["--dry-run", "--json"],
        &["backup"],
        &["backup", "--json"],
        &["list", "--json"],
        &["show", "shop@latest"],
        &["show", "shop@latest", "--json"],
        &["verify"],
        &["doctor"],
        &["doctor", "--json"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["config", "check"],
        &["cat", "shop/@globals@latest", "--set", "encryption.recipients=hunter"],
        &["restore", "shop@latest", "--into", &server.name],
        &["restore", "shop@latest", "--into", &other.name, "--database", "again"],
        &["labels", "explain", "password"],
    ] {
        let ran = Ran::of(&mut command(words));
        check(&format!("{words:?}"), format!("{ran:?}").as_bytes(), &planted);
        // Docker quotes what it was asked to run in its own errors and inspections.
        check("the inspection of a command", &inspected(&other), &planted);
    }
    // Without leave, a literal is refused, and not repeated.
    let mut refused = command(&["--dry-run"]);
    let ran = Ran::of(refused.env("RINGBOLT_LABELS__POLICY__LITERAL_PASSWORDS", "false"));
    check("a refusal", format!("{ran:?}").as_bytes(), &planted);
    assert!(ran.stderr.contains(".password`: a literal is refused"), "{ran:#?}");

    let files = world.files();
    assert!(files.len() > 3, "something was backed up");
    for (name, content) in files {
        check(&name, name.as_bytes(), &planted);
        check(&name, &content, &planted);
    }
}
