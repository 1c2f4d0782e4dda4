//! Where the engine is and how it is spoken to: a socket, the network, or the network with TLS.
//! An address that shall be encrypted has no way to a plain call.
//!
//! What certificates and keys must look like is known in `tls.rs`.

use std::fmt;
use std::time::Duration;

use bollard::API_DEFAULT_VERSION;
use bollard::errors::Error;
use futures_util::TryFutureExt as _;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;

use super::handshake::{self, Refusal};
use super::tls::{Certificate, Tls, TlsError};
use super::{Docker, DockerError};
use crate::settings::{DockerHost, DockerSettings};

/// How long a machine may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that is silent for so long is asked whether it is still there. Events may be hours
/// apart, and a machine that lost its power says nothing of it.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;

/// Where an engine is, with certificates and key if it is reached through TLS.
#[derive(Debug, Clone)]
pub struct Endpoint {
    host: DockerHost,
    tls: Option<Tls>,
}

impl Endpoint {
    /// Takes settings that belong together, and reads what they name. Files are read each time, so
    /// that a renewed certificate counts from the next connection on.
    ///
    /// # Errors
    /// [`TlsError`]: which setting cannot be used, and why.
    pub fn read(settings: &DockerSettings) -> Result<Self, TlsError> {
        let tls = settings.is_encrypted().then(|| Tls::read(&settings.tls)).transpose()?;
        Ok(Self { host: settings.host.clone(), tls })
    }

    /// Whether calls are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// The certificate that we show to the engine.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.tls.as_ref().and_then(Tls::certificate)
    }

    /// Finds what will be refused, before anybody is asked.
    pub(super) fn check(&self, now: Timestamp) -> Result<(), TlsError> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.check(now))
    }

    /// A client for it, which has asked nothing yet.
    pub(super) fn client(&self, timeout: u64) -> Result<bollard::Docker, Error> {
        let authority = match &self.host {
            DockerHost::Network { authority, .. } => authority,
            DockerHost::Socket(path) => {
                let path = path.to_string_lossy();
                return bollard::Docker::connect_with_unix(&path, timeout, API_DEFAULT_VERSION);
            }
        };
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_keepalive(Some(KEEPALIVE));
        http.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        http.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        http.set_nodelay(true);
        // As for a socket: each call has a connection of its own, which ends with it.
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(0);
        let Some(tls) = &self.tls else {
            let client = builder.build(http);
            return bollard::Docker::connect_with_custom_transport(
                move |request| client.request(request).map_err(Error::from),
                Some(format!("http://{authority}")),
                timeout,
                API_DEFAULT_VERSION,
            );
        };
        http.enforce_http(false);
        let config = tls.config().as_ref().clone();
        let https = HttpsConnectorBuilder::new().with_tls_config(config).https_only();
        let client = builder.build(https.enable_http1().wrap_connector(http));
        bollard::Docker::connect_with_custom_transport(
            move |request| client.request(request).map_err(Error::from),
            Some(format!("https://{authority}")),
            timeout,
            API_DEFAULT_VERSION,
        )
    }

    /// Why one side refuses the other, if that is why a call failed.
    pub(super) async fn refusal(&self, error: &Error) -> Option<Refusal> {
        let DockerHost::Network { authority, .. } = &self.host else { return None };
        match &self.tls {
            None => handshake::demanded(error).then_some(Refusal::TlsOnly),
            Some(tls) => handshake::refusal(error, authority, tls).await,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)
    }
}

impl Docker {
    /// The certificate that the engine shows; `None`: it is not reached through TLS.
    ///
    /// # Errors
    /// [`DockerError::Unreachable`] if it does not shake hands.
    pub async fn certificate(&self) -> Result<Option<Certificate>, DockerError> {
        let endpoint = &self.endpoint;
        let (DockerHost::Network { authority, .. }, Some(tls)) = (&endpoint.host, &endpoint.tls)
        else {
            return Ok(None);
        };
        let shown = handshake::certificate(authority, tls).await;
        shown.map_err(|error| DockerError::unreachable(endpoint, error.into()))
    }
}
