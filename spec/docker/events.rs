//! Hints come when something happens to a container, and their end is an end, not a hang.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use jiff::Timestamp;
use ringbolt::docker::{Docker, Endpoint, Hints};
use ringbolt::model::{ErrorKind, Explain as _};
use ringbolt::settings::{DockerHost, DockerSettings};

use crate::world::{POSTGRES, World, docker, wait_for};

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn endpoint(socket: &str) -> Endpoint {
    let host = DockerHost::Socket(socket.into());
    Endpoint::read(&DockerSettings { host, ..DockerSettings::default() }).unwrap()
}

async fn connect(socket: &str) -> Docker {
    Docker::connect(&endpoint(socket), Timestamp::now()).await.unwrap()
}

/// The containers that were hinted at, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    /// Begins to watch, and returns when it does: `touch` changes a container until that is seen.
    fn watch(mut hints: Hints, id: &str, touch: impl Fn()) -> Self {
        let seen = Self::default();
        let own = seen.clone();
        tokio::spawn(async move {
            while let Some(hint) = hints.next().await {
                own.0.lock().unwrap().push(hint.unwrap().container);
            }
        });
        wait_for("the first hint", || {
            touch();
            seen.count(id) > 0
        });
        seen
    }

    fn count(&self, id: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|container| *container == id).count()
    }
}

fn id_of(name: &str) -> String {
    docker(&["inspect", "--format", "{{.Id}}", name]).stdout.trim().to_owned()
}

fn touch(name: &str) {
    docker(&["update", "--memory=1g", "--memory-swap=1g", name]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_a_container_is_hinted_at() {
    let world = World::new();
    let server = world.postgres("db", &[], &["--health-cmd=true", "--health-interval=1s"]);
    let name = server.name.as_str();
    let id = id_of(name);
    let hints = connect("/var/run/docker.sock").await.events();
    let seen = Seen::watch(hints, &id, || touch(name));
    let renamed = format!("{name}-renamed");
    for (words, count) in [
        (&["pause", name][..], 1),
        (&["unpause", name], 1),
        (&["rename", name, &renamed], 1),
        // It dies, and is stopped.
        (&["stop", "--time=0", &renamed], 2),
        // It starts, and is healthy.
        (&["start", &renamed], 2),
        // It dies, and is destroyed.
        (&["rm", "--force", "--volumes", &renamed], 2),
    ] {
        let before = seen.count(&id);
        docker(words).expect(0);
        wait_for(words[0], || seen.count(&id) >= before + count);
    }
    let label = format!("org.ringbolt.spec={}", world.prefix);
    let new = docker(&["create", "--label", &label, POSTGRES]).expect(0).stdout;
    wait_for("create", || seen.count(new.trim()) == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_in_containers_are_no_hints() {
    let world = World::new();
    let server = world.postgres("db", &[], &[]);
    let (id, hints) = (id_of(&server.name), connect("/var/run/docker.sock").await.events());
    let seen = Seen::watch(hints, &id, || touch(&server.name));
    // Hints come in order: what the commands said would be between these two.
    let other = world.postgres("other", &[], &[]);
    let other = (id_of(&other.name), other);
    wait_for("the other container", || seen.count(&other.0) >= 2);
    let before = seen.count(&id);
    server.shell("true").expect(0);
    touch(&other.1.name);
    wait_for("the last hint", || seen.count(&other.0) >= 3);
    assert_eq!(seen.count(&id), before);
}

/// What becomes of a connection for events.
#[derive(Debug, PartialEq, Eq)]
enum Connection {
    Began,
    Ended,
}

/// Stands before the socket. A connection for events is cut as soon as `cut` says so; calls for
/// anything else are passed on.
fn stand_before(
    world: &World,
    name: &str,
) -> (PathBuf, mpsc::Receiver<Connection>, mpsc::Sender<()>) {
    let socket = world.socket(name);
    let listener = UnixListener::bind(&socket).unwrap();
    let (tell, seen) = mpsc::channel();
    let (cut, cuts) = mpsc::channel::<()>();
    let cuts = Arc::new(Mutex::new(cuts));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, tell, cuts) = (client.unwrap(), tell.clone(), cuts.clone());
            std::thread::spawn(move || {
                let mut head = vec![0; 4096];
                let read = (&client).read(&mut head).unwrap();
                let docker = UnixStream::connect("/var/run/docker.sock").unwrap();
                (&docker).write_all(&head[..read]).unwrap();
                let watched = head[..read].windows(7).any(|word| word == b"/events");
                let (from, to) = (docker.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || {
                    std::io::copy(&mut &from, &mut &to).ok();
                    to.shutdown(std::net::Shutdown::Both).ok();
                });
                if watched {
                    tell.send(Connection::Began).ok();
                    let both = (client.try_clone().unwrap(), docker.try_clone().unwrap());
                    std::thread::spawn(move || {
                        if cuts.lock().unwrap().recv().is_ok() {
                            both.0.shutdown(std::net::Shutdown::Both).ok();
                            both.1.shutdown(std::net::Shutdown::Both).ok();
                        }
                    });
                }
                // The client's end: it hung up, or it was cut.
                std::io::copy(&mut &client, &mut &docker).ok();
                docker.shutdown(std::net::Shutdown::Both).ok();
                if watched {
                    tell.send(Connection::Ended).ok();
                }
            });
        }
    });
    (socket, seen, cut)
}

/// Reads hints until the connection is gone; the number of errors.
async fn until_gone(mut hints: Hints) -> usize {
    let ended = async {
        let mut errors = 0;
        while let Some(hint) = hints.next().await {
            errors += usize::from(hint.is_err());
        }
        errors
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the stream hangs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_stream_ends_and_a_dropped_one_hangs_up() {
    let world = World::new();
    let (socket, seen, cut) = stand_before(&world, "watch");
    let connection = connect(&socket.display().to_string()).await;
    let gone = tokio::spawn(until_gone(connection.events()));
    assert_eq!(seen.recv_timeout(PATIENCE), Ok(Connection::Began));
    cut.send(()).unwrap();
    assert!(gone.await.unwrap() <= 1);
    assert_eq!(seen.recv_timeout(PATIENCE), Ok(Connection::Ended));

    // Nothing else ends it: a reader that is gone does.
    let reading = tokio::spawn(until_gone(connection.events()));
    assert_eq!(seen.recv_timeout(PATIENCE), Ok(Connection::Began));
    reading.abort();
    assert_eq!(seen.recv_timeout(PATIENCE), Ok(Connection::Ended));
    connection.ping().await.unwrap();

    // Nobody listens any more: connecting again is for whoever watches.
    std::fs::remove_file(&socket).unwrap();
    assert_eq!(until_gone(connection.events()).await, 1);
    let error = connection.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DockerUnreachable);
    assert!(error.retry());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_socket_is_no_engine() {
    let world = World::new();
    let (socket, _seen, _cut) = stand_before(&world, "silent");
    let connection = connect(&socket.display().to_string()).await;
    std::fs::remove_file(&socket).unwrap();
    // It accepts and says nothing, as an engine does that hangs.
    let listener = UnixListener::bind(&socket).unwrap();
    let begin = Instant::now();
    let error = connection.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DockerUnreachable);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    drop(listener);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_says_the_agreed_version() {
    let world = World::new();
    let socket = world.socket("versions");
    let listener = UnixListener::bind(&socket).unwrap();
    let (tell, said) = mpsc::channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut head = vec![0; 4096];
            let read = client.read(&mut head).unwrap();
            let line = String::from_utf8_lossy(&head[..read]).lines().next().unwrap().to_owned();
            tell.send(line).unwrap();
            let body = r#"{"ApiVersion":"1.30"}"#;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            client.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    let connection = connect(&socket.display().to_string()).await;
    assert_eq!(connection.api_version(), "1.30");
    connection.ping().await.unwrap();
    connection.events().next().await;
    let said: Vec<String> = said.try_iter().collect();
    assert_eq!(said[..2], ["GET /version HTTP/1.1", "GET /v1.30/_ping HTTP/1.1"]);
    assert!(said[2].starts_with("GET /v1.30/events?filters="), "{said:?}");
}
