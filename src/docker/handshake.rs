//! Handshakes with an engine, without a call: who is there, and why one side refuses the other.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use bollard::errors::Error;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

use super::tls::{Certificate, Tls};

/// How long a handshake may take, and how long after it an engine may think about our certificate.
const LIMIT: Duration = Duration::from_secs(5);

/// Why the two sides do not agree.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("its certificate is not signed by an authority of `docker.tls.ca`")]
    Untrusted,
    #[error("its certificate is not for this name, but for {}", names(.0))]
    OtherName(Vec<String>),
    #[error("its certificate has expired")]
    Expired,
    #[error("it demands a client certificate, and `docker.tls.cert` is not set")]
    WantsCertificate,
    #[error("it refuses the certificate of `docker.tls.cert`")]
    RefusesCertificate,
    #[error("what answers there does not speak TLS")]
    NoTls,
    #[error("it speaks TLS only, and `docker.tls.ca` is not set")]
    TlsOnly,
    #[error(transparent)]
    Other(rustls::Error),
}

impl Refusal {
    /// What to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Untrusted => {
                "`docker.tls.ca` holds the authority that signed the engine's certificate (its `ca.pem`); \
                 if it does, somebody else answers there"
            }
            Self::OtherName(_) => {
                "use that name in `docker.host`, or make a certificate with this one as subjectAltName"
            }
            Self::Expired => {
                "renew the engine's certificate; or is the clock of this machine wrong?"
            }
            Self::WantsCertificate => {
                "set `docker.tls.cert` and `docker.tls.key` to a certificate that the engine's authority signed"
            }
            Self::RefusesCertificate => {
                "it must be signed by the engine's `--tlscacert`, with every certificate between, and be \
                 for client authentication"
            }
            Self::NoTls => {
                "an engine with TLS usually listens on port 2376; without TLS it must be `tcp://` and no \
                 `docker.tls` setting"
            }
            Self::TlsOnly => "set `docker.tls.ca`, `docker.tls.cert` and `docker.tls.key`",
            Self::Other(_) => "is it an engine with TLS that answers there?",
        }
    }
}

/// Whether an engine said that it wants to be spoken to through TLS.
pub(super) fn demanded(error: &Error) -> bool {
    // Go's `Client sent an HTTP request to an HTTPS server.`, and what nginx and HAProxy say.
    let Error::DockerResponseServerError { status_code: 400, message } = error else {
        return false;
    };
    message.contains("HTTPS")
}

/// Finds out why one side refused the other. What an engine says of our certificate comes behind the
/// handshake and may be lost behind the call that was sent meanwhile, so it is asked once more
/// without one.
pub(super) async fn refusal(error: &Error, authority: &str, tls: &Tls) -> Option<Refusal> {
    if let Some(said) = told(error) {
        return Some(explained(said, tls));
    }
    let listen = async {
        let mut stream = greet(authority, tls).await?;
        stream.read_u8().await
    };
    let said = tokio::time::timeout(LIMIT, listen).await.ok()?.err()?;
    Some(explained(told(&said)?, tls))
}

/// The certificate of whoever answers, which `docker.tls.ca` vouches for.
pub(super) async fn certificate(authority: &str, tls: &Tls) -> io::Result<Option<Certificate>> {
    let greeted = tokio::time::timeout(LIMIT, greet(authority, tls)).await;
    let stream = greeted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    Ok(shown.and_then(|shown| Certificate::of(shown).ok()))
}

async fn greet(authority: &str, tls: &Tls) -> io::Result<TlsStream<TcpStream>> {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let stream = TcpStream::connect(authority).await?;
    TlsConnector::from(tls.config().clone()).connect(name, stream).await
}

/// What TLS said, wherever in the causes of an error it is. An I/O error's own cause is the cause of
/// what it wraps, so that what it wraps has to be taken out.
fn told<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let wrapped = wrapped.map(|inner| inner as &(dyn StdError + 'static));
    error.downcast_ref().or_else(|| wrapped.or_else(|| error.source()).and_then(told))
}

fn explained(error: &rustls::Error, tls: &Tls) -> Refusal {
    use rustls::Error as Tls;

    match error {
        Tls::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Refusal::Untrusted,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Refusal::Expired,
            CertificateError::NotValidForName => Refusal::OtherName(Vec::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                Refusal::OtherName(presented.clone())
            }
            error => Refusal::Other(rustls::Error::InvalidCertificate(error.clone())),
        },
        // Older engines call a missing certificate a bad one.
        Tls::AlertReceived(AlertDescription::CertificateRequired) => Refusal::WantsCertificate,
        Tls::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => match tls.certificate() {
            None => Refusal::WantsCertificate,
            Some(_) => Refusal::RefusesCertificate,
        },
        Tls::InvalidMessage(_) => Refusal::NoTls,
        error => Refusal::Other(error.clone()),
    }
}

fn names(presented: &[String]) -> String {
    match presented {
        [] => "nobody".to_owned(),
        names => names.join(", "),
    }
}
