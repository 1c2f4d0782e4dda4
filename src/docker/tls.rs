//! Certificates and keys as TLS takes them, each looked at before anybody is asked: an authority, our
//! chain, and the key that belongs to it. They are never written anywhere.
//!
//! Which settings belong together is known in `settings/`.

use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

use jiff::Timestamp;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use x509_cert::der::Decode as _;

use crate::settings::{Pem, SecretSource, TlsSettings};

/// The settings by their names, for messages.
const CA: &str = "docker.tls.ca";
const CERT: &str = "docker.tls.cert";
const KEY: &str = "docker.tls.key";

/// A TLS setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("setting `{setting}` cannot be used")]
pub struct TlsError {
    pub setting: &'static str,
    #[source]
    pub fault: TlsFault,
}

/// Why a TLS setting cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    #[error("cannot read {file}")]
    Read { file: String, source: io::Error },
    #[error("it is no PEM")]
    Garbled(#[source] pem::Error),
    #[error("there is no certificate in it")]
    NoCertificate,
    #[error("certificate {0} in it is damaged")]
    Damaged(usize),
    #[error("there is no private key in it")]
    NoKey,
    #[error("its private key is locked by a passphrase")]
    Locked,
    #[error("its private key cannot be used")]
    Unfit(#[source] rustls::Error),
    #[error("the key does not belong to the first certificate of `docker.tls.cert`")]
    Mismatch,
    #[error("the certificate of `{subject}` expired at {until}")]
    Expired { subject: String, until: Timestamp },
}

impl TlsFault {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "is the file mounted, and may Ringbolt's user read it?",
            Self::Garbled(_) | Self::NoCertificate | Self::Damaged(_) => {
                "it begins with `-----BEGIN CERTIFICATE-----`"
            }
            Self::NoKey => {
                "it begins with `-----BEGIN PRIVATE KEY-----`, `RSA PRIVATE KEY` or `EC PRIVATE KEY`"
            }
            Self::Locked => "take the passphrase off: `openssl pkey -in key.pem -out open.pem`",
            Self::Unfit(_) => "use RSA of 2048 bits or more, ECDSA on P-256 or P-384, or Ed25519",
            Self::Mismatch => {
                "the client's own certificate comes first, those between it and the authority behind it"
            }
            Self::Expired { .. } => "renew the client certificate; its key may stay",
        }
    }
}

/// What is known of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// `CN=client,O=Example`.
    pub subject: String,
    /// The last moment at which it is valid.
    pub until: Timestamp,
}

/// One side of TLS connections: whom we trust, and who we are.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    certificate: Option<Certificate>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads who a certificate is for and how long.
    pub(super) fn of(der: &[u8]) -> Result<Self, ()> {
        let read = x509_cert::Certificate::from_der(der).map_err(drop)?.tbs_certificate;
        let until = read.validity.not_after.to_unix_duration().as_secs();
        let until = i64::try_from(until).ok().and_then(|until| Timestamp::from_second(until).ok());
        // Whoever made it chose the name.
        let subject = read.subject.to_string().replace(char::is_control, "?");
        Ok(Self { subject, until: until.unwrap_or(Timestamp::MAX) })
    }
}

impl Tls {
    pub(super) fn read(settings: &TlsSettings) -> Result<Self, TlsError> {
        let roots = roots(settings.ca.as_ref()).map_err(|fault| TlsError { setting: CA, fault })?;
        let versions = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions();
        let trusting = versions
            .expect("the provider has suites for every version")
            .with_root_certificates(roots);
        let (Some(cert), Some(key)) = (&settings.cert, &settings.key) else {
            let config = Arc::new(trusting.with_no_client_auth());
            return Ok(Self { config, certificate: None });
        };
        let (chain, certificate) =
            chain(cert).map_err(|fault| TlsError { setting: CERT, fault })?;
        let unfit = |fault| TlsError { setting: KEY, fault };
        let config = trusting
            .with_client_auth_cert(chain, private_key(key).map_err(unfit)?)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => unfit(TlsFault::Mismatch),
                error => unfit(TlsFault::Unfit(error)),
            })?;
        Ok(Self { config: Arc::new(config), certificate: Some(certificate) })
    }

    pub(super) fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    pub(super) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    pub(super) fn check(&self, now: Timestamp) -> Result<(), TlsError> {
        match &self.certificate {
            Some(Certificate { subject, until }) if *until < now => {
                let (subject, until) = (subject.clone(), *until);
                Err(TlsError { setting: CERT, fault: TlsFault::Expired { subject, until } })
            }
            _ => Ok(()),
        }
    }
}

fn roots(ca: Option<&Pem>) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    let Some(ca) = ca else { return Err(TlsFault::NoCertificate) };
    for (at, certificate) in certificates(ca)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|_| TlsFault::Damaged(at + 1))?;
    }
    Ok(roots)
}

/// Our certificate and those that vouch for it. It is valid as long as all of them are.
fn chain(cert: &Pem) -> Result<(Vec<CertificateDer<'static>>, Certificate), TlsFault> {
    let chain = certificates(cert)?;
    let read = chain.iter().enumerate().map(|(at, certificate)| {
        Certificate::of(certificate).map_err(|()| TlsFault::Damaged(at + 1))
    });
    let read: Vec<Certificate> = read.collect::<Result<_, _>>()?;
    let first = read.first().ok_or(TlsFault::NoCertificate)?;
    let until = read.iter().map(|one| one.until).min().unwrap_or(first.until);
    let certificate = Certificate { subject: first.subject.clone(), until };
    Ok((chain, certificate))
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let bytes = match pem {
        Pem::Here(text) => text.clone().into_bytes(),
        Pem::File(path) => std::fs::read(path).map_err(|source| unread(path, source))?,
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let read = read.map_err(TlsFault::Garbled)?;
    if read.is_empty() { Err(TlsFault::NoCertificate) } else { Ok(read) }
}

fn unread(path: &Path, source: io::Error) -> TlsFault {
    TlsFault::Read { file: format!("`{}`", path.display()), source }
}

/// The key, wherever it is: a text that begins with `/` is the path of a file. No PEM does.
fn private_key(source: &SecretSource) -> Result<PrivateKeyDer<'static>, TlsFault> {
    let secret = match source {
        SecretSource::File(path) => source.read().map_err(|error| unread(path, error))?,
        // What is no path after all may still be a secret: it is not repeated.
        SecretSource::Here(text) if text.reveal().starts_with('/') => {
            let file = "the file that it names".to_owned();
            let read = SecretSource::File(text.reveal().trim_end().into()).read();
            read.map_err(|source| TlsFault::Read { file, source })?
        }
        SecretSource::Here(text) => text.clone(),
    };
    let text = secret.reveal();
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        pem::Error::NoItemsFound if text.contains("ENCRYPTED PRIVATE KEY") => TlsFault::Locked,
        pem::Error::NoItemsFound => TlsFault::NoKey,
        error => TlsFault::Garbled(error),
    })
}
