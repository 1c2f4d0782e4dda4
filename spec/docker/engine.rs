//! A second Docker engine, on the loopback network behind TLS, without networks of its own; and a
//! door of the suite's own before the first one, which has the containers.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::certificates::{Authority, Identity};
use crate::world::{World, wait_for};

/// An engine takes away the bridge of the machine's own one if both see the same network. So it gets
/// a network that nobody else sees, and the socket it listens on is handed in.
const ALONE: &str = "LISTEN_FDS=1 LISTEN_PID=$$ exec dockerd \"$@\" 3<&0 0</dev/null";

/// Ended, with everything it left, when it is dropped.
pub(super) struct Engine {
    pub(super) address: SocketAddr,
    folder: PathBuf,
    child: Child,
}

impl Engine {
    /// Starts an engine. `demands`: whether it demands certificates of `clients`.
    pub(super) fn start(world: &World, own: &Identity, clients: &Authority, demands: bool) -> Self {
        // Sockets are below it, and their paths have room for 108 bytes.
        let folder = std::env::temp_dir().join(format!("{}-engine", world.prefix));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: &str| write(&folder, name, text);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "sh", "-c", ALONE, "sh", "--host=fd://"]);
        // The machine's own settings are for the machine's own engine.
        command.arg("--config-file").arg(file("daemon.json", "{}"));
        command.arg("--tlscert").arg(file("cert.pem", &own.cert));
        command.arg("--tlskey").arg(file("key.pem", &own.key));
        command.arg("--tlscacert").arg(file("ca.pem", &clients.pem));
        command.arg("--tls").arg(format!("--tlsverify={demands}"));
        command.arg("--data-root").arg(folder.join("data"));
        command.arg("--exec-root").arg(folder.join("exec"));
        command.arg("--pidfile").arg(folder.join("pid"));
        command.args(["--bridge=none", "--iptables=false", "--ip-forward=false"]);
        let log = folder.join("log");
        command.stdin(OwnedFd::from(listener)).stdout(Stdio::null());
        let child = command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        let mut engine = Self { address, folder, child };
        wait_for("a second Docker engine", || {
            let said = std::fs::read_to_string(&log).unwrap();
            let ended = engine.child.try_wait().unwrap().is_some();
            assert!(!ended, "is dockerd there, and does the suite run as root? {said}");
            said.contains("API listen on")
        });
        engine
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Asked, and not killed: it has a containerd of its own to end.
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// Begins to listen behind TLS, with a demand for certificates of `clients`, and passes everything on
/// to the engine that has the containers.
pub(super) fn door(own: &Identity, clients: &Authority) -> SocketAddr {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(clients.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let chain: Result<_, _> = CertificateDer::pem_slice_iter(own.cert.as_bytes()).collect();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            chain.unwrap(),
            PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let serve = async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await?;
                let mut docker = tokio::net::UnixStream::connect("/var/run/docker.sock").await?;
                tokio::io::copy_bidirectional(&mut client, &mut docker).await
            });
        }
    };
    std::thread::spawn(move || tokio::runtime::Runtime::new().unwrap().block_on(serve));
    address
}

/// Writes a file and returns its path.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
