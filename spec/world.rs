//! A world for one test: containers, a store and label prefix of its own, all removed at its end.
//! Two tests never see each other, because Ringbolt looks only at labels under its own prefix.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_ringbolt");
/// What helper containers are made of, once [`helper_image`] has made it of the program under test.
pub(crate) const HELPER_IMAGE: &str = concat!("ringbolt-spec/helper:", env!("CARGO_PKG_VERSION"));
/// The PostgreSQL that tests use where the version does not matter.
pub(crate) const POSTGRES: &str = "ringbolt-spec/postgres:15";
/// Longer than anything takes on a slow machine; only a hang gets here.
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) struct World {
    pub(crate) prefix: String,
    pub(crate) folder: PathBuf,
    /// `unix://…`; a test may put a proxy of its own here.
    pub(crate) docker_host: Option<String>,
    /// Variables with further settings.
    pub(crate) settings: Vec<(&'static str, &'static str)>,
}

pub(crate) struct Server {
    pub(crate) name: String,
    user: String,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let prefix = format!("spec-{:016x}", getrandom::u64().unwrap());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&prefix);
        std::fs::create_dir_all(&folder).unwrap();
        Self { prefix, folder, docker_host: None, settings: Vec::new() }
    }

    /// A world in which helper containers can be made.
    pub(crate) fn with_helper() -> Self {
        helper_image();
        let mut world = Self::new();
        world.settings.push(("RINGBOLT_DOCKER__HELPER_IMAGE", HELPER_IMAGE));
        world
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// A place for a socket, with a short name: its path has room for 108 bytes.
    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("{}-{name}.sock", self.prefix))
    }

    /// Starts a PostgreSQL, with labels under this world's prefix, and waits until it answers.
    pub(crate) fn postgres(&self, name: &str, labels: &[(&str, &str)], more: &[&str]) -> Server {
        self.postgres_of(POSTGRES, name, labels, more)
    }

    pub(crate) fn postgres_of(
        &self,
        image: &str,
        name: &str,
        labels: &[(&str, &str)],
        more: &[&str],
    ) -> Server {
        let always = ["--env", "POSTGRES_PASSWORD=s3cret-pass", "--env", "POSTGRES_USER=keeper"];
        let always = [&always[..], &["--env", "POSTGRES_DB=keeper"], more].concat();
        let arguments = ["-c", "fsync=off", "-c", "TimeZone=Asia/Kolkata"];
        let server = self.start(image, name, labels, &always, &arguments);
        // The entrypoint's first server listens on the socket only, so this waits for the real one.
        wait_for("PostgreSQL", || {
            let ready = ["exec", &server.name, "pg_isready", "--quiet", "--host=127.0.0.1"];
            docker(&ready).code == Some(0)
        });
        server
    }

    /// Starts a container with labels under this world's prefix: `options` are Docker's, `arguments`
    /// come behind the image. It may not be ready yet.
    #[track_caller]
    pub(crate) fn start(
        &self,
        image: &str,
        name: &str,
        labels: &[(&str, &str)],
        options: &[&str],
        arguments: &[&str],
    ) -> Server {
        let own = format!("{}-{name}", self.prefix);
        let mut command = Command::new("docker");
        command.args(["run", "--detach", "--name", &own]);
        command.args(["--label", &format!("org.ringbolt.spec={}", self.prefix)]);
        for (key, value) in labels {
            command.args(["--label", &format!("{}.{key}={value}", self.prefix)]);
        }
        let ran = Ran::of(command.args(options).arg(image).args(arguments));
        assert_eq!(
            ran.code,
            Some(0),
            "is Docker there, and did docker/test build {image}? {ran:?}"
        );
        Server { name: own, user: "keeper".to_owned() }
    }

    /// Runs the program under test.
    pub(crate) fn ringbolt(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command().args(arguments))
    }

    /// The program under test, with this world's settings and no others.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(BINARY);
        self.settle(&mut command);
        command
    }

    pub(crate) fn settle(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RINGBOLT_LABELS__PREFIX", &self.prefix)
            .env("RINGBOLT_STORES__LOCAL__URL", format!("file://{}", self.store().display()));
        command.envs(self.settings.iter().copied());
        if let Some(host) = &self.docker_host {
            command.env("RINGBOLT_DOCKER__HOST", host);
        }
    }

    /// The same where nobody can be asked for a passphrase.
    pub(crate) fn unattended(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new("setsid");
        self.settle(&mut command);
        Ran::of(command.args(["--wait", BINARY]).args(arguments))
    }

    /// The same at a terminal, where somebody types these lines, each when they are asked. What the terminal
    /// shows is the output.
    pub(crate) fn at_a_terminal(&self, arguments: &[&str], lines: &[&str]) -> Ran {
        use std::io::{Read as _, Write as _};

        let words: Vec<String> =
            [&[BINARY], arguments].concat().iter().map(|w| format!("'{w}'")).collect();
        let mut command = Command::new("script");
        self.settle(&mut command);
        command.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut keyboard, mut screen) =
            (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (mut seen, mut byte, mut asked) = (Vec::new(), [0], lines.iter());
        while screen.read(&mut byte).unwrap() == 1 {
            seen.push(byte[0]);
            let last = seen.rsplit(|byte| *byte == b'\n').next().unwrap();
            if last.starts_with(b"passphrase of ") && last.ends_with(b": ") {
                let line = asked.next().expect("nobody is asked more than that");
                keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
            }
        }
        let code = child.wait().unwrap().code();
        Ran { code, stdout: String::from_utf8_lossy(&seen).into_owned(), stderr: String::new() }
    }

    /// `list --json`.
    pub(crate) fn list(&self) -> Vec<Value> {
        let ran = self.ringbolt(&["list", "--json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// The newest archive of a database.
    pub(crate) fn newest(&self, database: &str) -> Value {
        self.list().into_iter().find(|archive| archive["database"] == database).unwrap()
    }

    /// Every file in the store with its content, but for the lock.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.store()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with(".ringbolt.lock") {
                    let name = path.strip_prefix(self.store()).unwrap().display().to_string();
                    files.insert(name, std::fs::read(&path).unwrap());
                }
            }
        }
        files
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let filter = format!("label=org.ringbolt.spec={}", self.prefix);
        let found = docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]).stdout;
        let ids: Vec<&str> = found.split_whitespace().collect();
        // A helper outlives a Ringbolt that was killed, until another one finds it.
        let helpers = ["ps", "--all", "--quiet", "--filter", "label=org.ringbolt.helper"];
        for helper in docker(&helpers).stdout.split_whitespace() {
            let of = docker(&["inspect", "--format", "{{.HostConfig.VolumesFrom}}", helper]).stdout;
            if ids.iter().any(|id| of.contains(id)) {
                docker(&["rm", "--force", helper]);
            }
        }
        if !ids.is_empty() {
            docker(&[&["rm", "--force", "--volumes"], ids.as_slice()].concat());
        }
        std::fs::remove_dir_all(&self.folder).ok();
        for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&self.prefix) {
                std::fs::remove_file(entry.path()).ok();
            }
        }
    }
}

impl Server {
    /// Runs SQL and returns what it answers.
    #[track_caller]
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let mut command = Command::new("docker");
        command.args(["exec", "--env", "PGPASSWORD=s3cret-pass", "--interactive", &self.name]);
        command.args(["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        command.args(["--set=ON_ERROR_STOP=1", "--username", &self.user, "--dbname", database]);
        let ran = Ran::with_input(&mut command, sql.as_bytes());
        assert_eq!(ran.code, Some(0), "{sql}\n{ran:?}");
        ran.stdout.trim().to_owned()
    }

    /// Runs a shell line in the container.
    pub(crate) fn shell(&self, line: &str) -> Ran {
        docker(&["exec", &self.name, "sh", "-c", line])
    }

    /// Runs a shell line in the container, which reads the input.
    pub(crate) fn shell_with_input(&self, line: &str, input: &[u8]) -> Ran {
        let mut command = Command::new("docker");
        Ran::with_input(
            command.args(["exec", "--interactive", &self.name, "sh", "-c", line]),
            input,
        )
    }

    /// The name of its image, as it was started.
    pub(crate) fn image(&self) -> String {
        let ran = docker(&["inspect", "--format", "{{.Config.Image}}", &self.name]);
        ran.expect(0).stdout.trim().to_owned()
    }

    /// Command lines of what runs in the container.
    pub(crate) fn processes(&self) -> String {
        docker(&["top", &self.name, "-eo", "pid,args"]).stdout
    }

    /// The source name that this container has by default.
    pub(crate) fn source(&self) -> &str {
        &self.name
    }
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::read(&command.output().unwrap())
    }

    pub(crate) fn with_input(command: &mut Command, input: &[u8]) -> Self {
        use std::io::Write as _;
        use std::process::Stdio;

        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writing = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap().ok();
        Self::read(&output)
    }

    fn read(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "`{words}` is not said: {self:#?}");
        self
    }
}

pub(crate) fn docker(arguments: &[&str]) -> Ran {
    Ran::of(Command::new("docker").args(arguments))
}

/// Waits until something is so. A test that gets to the end of this patience has found a hang.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes the image of helper containers, once. Like the real one, it declares a volume of its own.
fn helper_image() {
    static MADE: std::sync::Once = std::sync::Once::new();
    MADE.call_once(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("helper-image");
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join("ringbolt");
        Ran::of(Command::new("strip").arg("-o").arg(&program).arg(BINARY)).expect(0);
        let file = "FROM ringbolt-spec/app:bookworm\nCOPY ringbolt /ringbolt\n\
                    ENV RINGBOLT_STORES__LOCAL__URL=file:///backups\nVOLUME /backups\n\
                    ENTRYPOINT [\"/ringbolt\"]\n";
        std::fs::write(folder.join("Dockerfile"), file).unwrap();
        let label = "org.ringbolt.spec=image";
        let mut build = Command::new("docker");
        build.args(["build", "--quiet", "--tag", HELPER_IMAGE, "--label", label]).arg(&folder);
        Ran::of(&mut build).expect(0);
    });
}
