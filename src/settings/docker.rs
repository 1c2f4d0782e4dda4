//! How Docker is reached, as people write it: the address, and what TLS needs. Says which of these
//! settings belong together.
//!
//! Whether the certificates and the key are any good is known in `docker/`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::{SecretSource, Settings, table};
use crate::model::Problem;

/// How a PEM text begins.
const PEM: &str = "-----BEGIN ";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerSettings {
    pub host: DockerHost,
    pub tls: TlsSettings,
    /// What helper containers are made of; `None`: the image that this process runs in.
    pub helper_image: Option<String>,
}

/// Where the engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerHost {
    Socket(PathBuf),
    /// `authority`: `host:port`.
    Network {
        scheme: Scheme,
        authority: String,
    },
}

/// What an address says of encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Encrypted if there is anything to encrypt with.
    Tcp,
    /// Never encrypted.
    Http,
    /// Always encrypted.
    Https,
}

/// What TLS needs. With any of it, `tcp://` is encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Whose signature the engine's certificate must have.
    pub ca: Option<Pem>,
    /// Who we are, with every certificate between us and the authority.
    pub cert: Option<Pem>,
    pub key: Option<SecretSource>,
}

/// Certificates.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    Here(String),
    File(PathBuf),
}

impl Default for DockerSettings {
    fn default() -> Self {
        let host = DockerHost::Socket("/var/run/docker.sock".into());
        Self { host, tls: TlsSettings::default(), helper_image: None }
    }
}

impl DockerSettings {
    /// Whether calls are encrypted.
    pub fn is_encrypted(&self) -> bool {
        match &self.host {
            DockerHost::Socket(_) => false,
            DockerHost::Network { scheme: Scheme::Http, .. } => false,
            DockerHost::Network { scheme: Scheme::Https, .. } => true,
            DockerHost::Network { scheme: Scheme::Tcp, .. } => !self.tls.keys().is_empty(),
        }
    }
}

impl TlsSettings {
    /// The keys that are set.
    fn keys(&self) -> Vec<&'static str> {
        let all = [
            ("docker.tls.ca", self.ca.is_some()),
            ("docker.tls.cert", self.cert.is_some()),
            ("docker.tls.key", self.key.is_some()),
        ];
        all.into_iter().filter(|(_, set)| *set).map(|(key, _)| key).collect()
    }
}

impl FromStr for DockerHost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").ok_or("it is no address of a Docker engine")?;
        let scheme = match scheme {
            "unix" if rest.starts_with('/') => return Ok(Self::Socket(rest.into())),
            "unix" => return Err("the path of its socket is not absolute"),
            "tcp" => Scheme::Tcp,
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err("it is no address of a Docker engine that can be reached"),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let letter = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        match authority.rsplit_once(':') {
            None => Err("it has no port"),
            Some((_, port)) if port.parse::<u16>().is_err() => Err("it has no port"),
            Some((host, _)) if host.is_empty() || !host.chars().all(letter) => {
                Err("it is not `host:port`")
            }
            Some((host, _)) if host.contains(':') && !host.starts_with('[') => {
                Err("an IPv6 address is written in brackets")
            }
            Some(_) => Ok(Self::Network { scheme, authority: authority.to_owned() }),
        }
    }
}

impl fmt::Display for DockerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = match self {
            Self::Socket(path) => return write!(f, "unix://{}", path.display()),
            Self::Network { scheme: Scheme::Tcp, authority } => ("tcp", authority),
            Self::Network { scheme: Scheme::Http, authority } => ("http", authority),
            Self::Network { scheme: Scheme::Https, authority } => ("https", authority),
        };
        write!(f, "{scheme}://{rest}")
    }
}

impl FromStr for Pem {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim_start() {
            key if key.contains("PRIVATE KEY") => {
                Err("it holds a private key, which belongs to `docker.tls.key`")
            }
            here if here.starts_with(PEM) => Ok(Self::Here(here.to_owned())),
            path if path.starts_with('/') => Ok(Self::File(path.trim_end().into())),
            _ => Err("it is neither an absolute path nor a PEM text"),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(_) => f.write_str("Here(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Whether a text is a PEM, which nobody wants to see in a table.
pub(super) fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with(PEM)
}

/// Finds TLS that is set up by half: nobody may believe that it is on when it is not.
pub(super) fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    let docker = &settings.docker;
    let told =
        |problem: &Problem| problem.key.as_ref().is_some_and(|key| key.starts_with("docker."));
    // What follows from a wrong value is not told on top of it.
    if problems.iter().any(told) {
        return;
    }
    let mut wrong = |key: &str, message: String| {
        let problem = Problem::new(&settings.origin(key), message).key(key);
        problems.push(problem.see(table::REFERENCE));
    };
    let (host, tls) = (&docker.host, &docker.tls);
    let set = tls.keys();
    if !docker.is_encrypted() {
        for key in set {
            let message = format!(
                "`docker.host` is `{host}`, which is never encrypted; use `tcp://` or `https://`"
            );
            wrong(key, message);
        }
        return;
    }
    if tls.ca.is_none() {
        let key = set.first().copied().unwrap_or("docker.host");
        let message = "needs `docker.tls.ca`: public authorities are not trusted";
        wrong(key, message.to_owned());
    }
    match (&tls.cert, &tls.key) {
        (Some(_), None) => wrong("docker.tls.cert", "needs `docker.tls.key`".to_owned()),
        (None, Some(_)) => wrong("docker.tls.key", "needs `docker.tls.cert`".to_owned()),
        _ => {}
    }
}
