//! The way to Docker: TLS that works with the right certificates, says why it does not with others,
//! and never falls back to a plain call; and hints that something happened.

mod certificates;
mod engine;
mod events;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;

use crate::world::{Ran, World};
use certificates::{Authority, EC, Identity, LOCKED, RSA};
use engine::{Engine, door, write};

/// Longer than any certificate of these tests is asked to be.
const YEAR: i64 = 365;

/// Everything that the settings take.
struct Tls {
    host: String,
    ca: String,
    own: Option<Identity>,
}

impl Tls {
    fn new(address: SocketAddr, ca: &Authority, own: Option<Identity>) -> Self {
        Self { host: format!("tcp://{address}"), ca: ca.pem.clone(), own }
    }

    /// Runs a command with all of it in the environment.
    fn run(&self, world: &World, words: &[&str]) -> Ran {
        let mut command = world.command();
        command.env("RINGBOLT_DOCKER__HOST", &self.host).env("RINGBOLT_DOCKER__TLS__CA", &self.ca);
        if let Some(own) = &self.own {
            command.env("RINGBOLT_DOCKER__TLS__CERT", &own.cert);
            command.env("RINGBOLT_DOCKER__TLS__KEY", &own.key);
        }
        Ran::of(command.args(words))
    }

    /// It is refused with these words, whatever is asked.
    #[track_caller]
    fn refused(&self, world: &World, code: i32, words: &[&str]) {
        let ran = self.run(world, &["--dry-run"]).expect(code);
        let told = self.run(world, &["doctor", "--json"]).expect(1).json().to_string();
        for words in words {
            assert!(ran.stderr.contains(words), "`{words}` is not said: {ran:#?}");
            assert!(told.contains(words), "`{words}` is not told: {told}");
        }
    }
}

#[track_caller]
fn told(ran: &Ran, words: &[&str]) {
    let all = ran.json();
    let has = |text: &str| words.iter().all(|words| text.contains(words));
    assert!(all.as_array().unwrap().iter().any(|one| has(&one.to_string())), "{words:?}: {all:#}");
}

#[test]
fn an_engine_that_demands_a_certificate() {
    let world = World::new();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let engine = Engine::start(&world, &ours.server(&["127.0.0.1"]), &ours, true);
    let reach = |own: Option<Identity>| Tls::new(engine.address, &ours, own);
    let (ec, rsa) = (ours.client(EC[0].1, YEAR), ours.client(RSA[0].1, YEAR));

    // Every kind of key in every form, in the settings themselves.
    for (cert, keys) in [(&ec, EC), (&rsa, RSA)] {
        for (name, key) in keys {
            let own = Identity { cert: cert.cert.clone(), key: key.to_owned() };
            let ran = reach(Some(own)).run(&world, &["--dry-run"]);
            assert!(ran.stderr.contains("no container is labelled"), "{name}: {ran:?}");
        }
    }
    // As files, under both schemes.
    for scheme in ["tcp", "https"] {
        let path = |name, text| write(&world.folder, name, text).display().to_string();
        let flags = [
            format!("docker.host={scheme}://{}", engine.address),
            format!("docker.tls.ca={}", path("ca.pem", &ours.pem)),
            format!("docker.tls.cert={}", path("cert.pem", &ec.cert)),
            format!("docker.tls.key_file={}", path("key.pem", &ec.key)),
        ];
        let mut words = vec!["doctor", "--json"];
        for flag in &flags {
            words.extend(["--set", flag]);
        }
        let ran = world.ringbolt(&words).expect(0);
        told(&ran, &["good", scheme, "is reached through TLS, as CN=ringbolt", "valid until"]);
        told(&ran, &["good", "the engine is CN=an engine", "valid until"]);
        told(&ran, &["good", "answers, API 1."]);
        // A key may be named by its path without `_file` too.
        let key = flags[3].replace("key_file", "key");
        *words.last_mut().unwrap() = &key;
        world.ringbolt(&words).expect(0);
    }
    // The chain between us and the authority is sent, and needed.
    let below = ours.below("below ours");
    let far = below.client(EC[0].1, YEAR);
    let whole = Identity { cert: format!("{}{}", far.cert, below.pem), key: far.key.clone() };
    reach(Some(whole)).run(&world, &["doctor"]).expect(0);
    reach(Some(far)).refused(&world, 3, &["refuses the certificate of `docker.tls.cert`"]);

    // Who is not known, on either side.
    let unknown = theirs.client(EC[0].1, YEAR);
    reach(Some(unknown.clone())).refused(&world, 3, &["refuses the certificate", "--tlscacert"]);
    reach(None).refused(&world, 3, &["demands a client certificate", "`docker.tls.cert`"]);
    let mistrust = Tls::new(engine.address, &theirs, Some(ec.clone()));
    mistrust.refused(&world, 3, &["not signed by an authority of `docker.tls.ca`"]);
    let mut named = reach(Some(ec.clone()));
    named.host = format!("tcp://localhost:{}", engine.address.port());
    named.refused(&world, 3, &["not for this name, but for ", "127.0.0.1", "subjectAltName"]);

    // Dates.
    let soon = reach(Some(ours.client(EC[0].1, 20))).run(&world, &["doctor", "--json"]).expect(0);
    told(&soon, &["doubtful", "as CN=ringbolt", "valid until", "renew it"]);
    let late = reach(Some(ours.client(EC[0].1, -2)));
    late.refused(&world, 2, &["`docker.tls.cert`", "CN=ringbolt", "expired at 20"]);

    // A plain call to it.
    let plain = format!("docker.host=tcp://{}", engine.address);
    let ran = world.ringbolt(&["--dry-run", "--set", &plain]).expect(3);
    ran.says("it speaks TLS only").says("hint: set `docker.tls.ca`");
    let ran = world.ringbolt(&["doctor", "--json", "--set", &plain]).expect(1);
    told(&ran, &["doubtful", "over the network without encryption"]);
}

#[test]
fn an_engine_that_demands_none() {
    let world = World::new();
    let ours = Authority::new("ours");
    let engine = Engine::start(&world, &ours.server(&["127.0.0.1"]), &ours, false);
    let ran = Tls::new(engine.address, &ours, None).run(&world, &["doctor", "--json"]).expect(0);
    told(&ran, &["doubtful", "without a client certificate", "--tlsverify"]);
    told(&ran, &["good", "the engine is CN=an engine"]);
}

#[test]
fn a_backup_and_a_restore_go_through_tls() {
    let world = World::new();
    let server = world.postgres("db", &[("enable", "true")], &[]);
    server.sql("keeper", "CREATE TABLE t AS SELECT i FROM generate_series(1, 100000) i");
    let ours = Authority::new("ours");
    let address = door(&ours.server(&["127.0.0.1"]), &ours);
    let tls = Tls::new(address, &ours, Some(ours.client(EC[0].1, YEAR)));
    tls.run(&world, &["backup"]).expect(0);
    let latest = format!("{}@latest", server.source());
    tls.run(&world, &["restore", &latest, "--into", &server.name, "--database", "again"]).expect(0);
    assert_eq!(server.sql("again", "SELECT count(*) FROM t"), "100000");

    // It is another implementation of TLS, and refuses in its own words.
    let none = Tls::new(address, &ours, None);
    none.refused(&world, 3, &["demands a client certificate"]);
    let theirs = Authority::new("theirs").client(EC[0].1, YEAR);
    let unknown = Tls::new(address, &ours, Some(theirs));
    unknown.refused(&world, 3, &["refuses the certificate of `docker.tls.cert`"]);
}

/// Whether each setting of TLS has an effect, for `consumed.rs`.
pub(crate) fn effects(world: &World) -> [(&'static str, bool); 3] {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let address = door(&ours.server(&["127.0.0.1"]), &ours);
    let own = ours.client(EC[0].1, YEAR);
    let with = |ca: &Authority, cert: &Identity, key: &str| {
        let own = Identity { cert: cert.cert.clone(), key: key.to_owned() };
        Tls::new(address, ca, Some(own)).run(world, &["doctor"]).stdout
    };
    let right = with(&ours, &own, &own.key).contains("good      docker    the engine is");
    let unknown = theirs.client(EC[0].1, YEAR);
    [
        ("docker.tls.ca", right && with(&theirs, &own, &own.key).contains("is not signed by")),
        ("docker.tls.cert", right && with(&ours, &unknown, &own.key).contains("it refuses")),
        ("docker.tls.key", right && with(&ours, &own, RSA[0].1).contains("does not belong")),
    ]
}

/// Listens without TLS, and hands out the first bytes that each connection brings.
fn listen(answer: &'static [u8]) -> (SocketAddr, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut said = vec![0; 4096];
            let read = client.read(&mut said).unwrap_or(0);
            said.truncate(read);
            send.send(said).ok();
            client.write_all(answer).ok();
        }
    });
    (address, receive)
}

#[test]
fn it_is_never_silently_plain() {
    let world = World::new();
    let ours = Authority::new("ours");
    let own = ours.client(EC[0].1, YEAR);
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (answer, words) in [
        (&http[..], "does not speak TLS"),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "does not speak TLS"),
        (b"", "cannot reach Docker"),
    ] {
        let (address, said) = listen(answer);
        for scheme in ["tcp", "https"] {
            for own in [None, Some(own.clone())] {
                let mut tls = Tls::new(address, &ours, own);
                tls.host = format!("{scheme}://{address}");
                tls.refused(&world, 3, &[words]);
            }
        }
        let all: Vec<Vec<u8>> = said.try_iter().collect();
        assert!(all.len() >= 8, "{all:?}");
        for said in all {
            // The beginning of a handshake; a plain call begins with `GET`.
            assert_eq!(said.first(), Some(&0x16), "{}", String::from_utf8_lossy(&said));
        }
    }
}

#[test]
fn what_cannot_be_used_is_told_before_anybody_is_asked() {
    let world = World::new();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let own = ours.client(EC[0].1, YEAR);
    let (address, said) = listen(b"");
    let garbage = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let bad_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let keyless = write(&world.folder, "public.pem", no_key).display().to_string();
    for (ca, cert, key, words) in [
        ("/nowhere/ca.pem", &*own.cert, &*own.key, &["docker.tls.ca", "/nowhere/ca.pem"][..]),
        (garbage, &own.cert, &own.key, &["docker.tls.ca", "it is no PEM"]),
        (damaged, &own.cert, &own.key, &["docker.tls.ca", "certificate 1 in it is damaged"]),
        (&keyless, &own.cert, &own.key, &["docker.tls.ca", "there is no certificate in it"]),
        (&ours.pem, garbage, &own.key, &["docker.tls.cert", "it is no PEM"]),
        (&ours.pem, damaged, &own.key, &["docker.tls.cert", "certificate 1 in it is damaged"]),
        (&ours.pem, &keyless, &own.key, &["docker.tls.cert", "there is no certificate in it"]),
        (&ours.pem, &own.cert, RSA[0].1, &["docker.tls.key", "does not belong to the first"]),
        (&ours.pem, &theirs.pem, &own.key, &["docker.tls.key", "does not belong to the first"]),
        (&ours.pem, &own.cert, LOCKED, &["docker.tls.key", "locked by a passphrase"]),
        (&ours.pem, &own.cert, no_key, &["docker.tls.key", "there is no private key in it"]),
        (&ours.pem, &own.cert, bad_key, &["docker.tls.key", "cannot be used", "ECDSA"]),
        (&ours.pem, &own.cert, "s3cret", &["docker.tls.key", "there is no private key in it"]),
        (&ours.pem, &own.cert, "/s3cret", &["docker.tls.key", "cannot read the file"]),
        (&ours.pem, EC[0].1, &own.key, &["docker.tls.cert", "belongs to `docker.tls.key`"]),
    ] {
        let own = Some(Identity { cert: cert.to_owned(), key: key.to_owned() });
        let tls = Tls { host: format!("tcp://{address}"), ca: ca.to_owned(), own };
        tls.refused(&world, 2, words);
        let ran = tls.run(&world, &["config", "show"]).expect(2);
        let ran = ran.says("variable RINGBOLT_DOCKER__TLS__");
        let shown = |secret: &str| ran.stderr.contains(secret);
        assert!(!shown("s3cret") && !shown(EC[0].1.lines().nth(1).unwrap()), "{ran:?}");
    }
    assert_eq!(said.try_iter().count(), 0);
    // What is right is shown without its text.
    let right = Tls::new(address, &ours, Some(own)).run(&world, &["config", "show"]).expect(0);
    assert!(right.stdout.contains("(PEM)") && !right.stdout.contains("BEGIN"), "{right:?}");
}

#[test]
fn tls_by_half_is_a_problem() {
    let world = World::new();
    let tcp = ("docker.host", "tcp://127.0.0.1:1");
    let (ca, cert) = (("docker.tls.ca", "/ca.pem"), ("docker.tls.cert", "/cert.pem"));
    let (key, file) = (("docker.tls.key", "/key.pem"), ("docker.tls.key_file", "/key.pem"));
    for (given, words) in [
        (&[tcp, ca, cert][..], "`docker.tls.cert`: needs `docker.tls.key`"),
        (&[tcp, ca, key], "`docker.tls.key`: needs `docker.tls.cert`"),
        (&[tcp, ca, file], "`docker.tls.key`: needs `docker.tls.cert`"),
        (&[tcp, cert, key], "`docker.tls.cert`: needs `docker.tls.ca`"),
        (&[("docker.host", "https://127.0.0.1:1")], "`docker.host`: needs `docker.tls.ca`"),
        (&[("docker.host", "http://127.0.0.1:1"), ca], "which is never encrypted"),
        (&[("docker.host", "unix:///x"), ca, cert, key], "which is never encrypted"),
        (&[ca], "`docker.host` is `unix:///var/run/docker.sock`"),
        (&[("docker.host", "tcp://127.0.0.1")], "it has no port"),
        (&[("docker.host", "tcp://::1:2375")], "written in brackets"),
        (&[("docker.host", "https://me:pass@host:1")], "it is not `host:port`"),
    ] {
        let flags: Vec<String> =
            given.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut words_given = vec!["--dry-run"];
        for flag in &flags {
            words_given.extend(["--set", flag]);
        }
        let ran = world.ringbolt(&words_given).expect(2).says(words).says("flag --set: ");
        assert!(!ran.stderr.contains("cannot reach"), "{ran:?}");
    }
}
