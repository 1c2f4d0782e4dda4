//! The settings about Docker: rows of the table in `rows.rs`.

use super::rows::ROW;
use super::table::{Reader, Setting};

pub(super) const HOST: Setting = Setting {
    key: "docker.host",
    expects: "`unix:///path`, or `tcp://`, `http://` or `https://` with `host:port`",
    default: "`unix:///var/run/docker.sock`",
    about: "Where the Docker engine, or a proxy before it, is. `https://` is TLS, and so is `tcp://` with any `docker.tls` setting; `http://` never is.",
    examples: &[
        "unix:///run/docker.sock",
        "tcp://proxy:2375",
        "http://[::1]:2375",
        "https://docker.example:2376",
    ],
    mistakes: &["", "/var/run/docker.sock", "ssh://host", "http://host", "tcp://a:1/b"],
    reader: Reader::Plain(|settings, _, given| {
        settings.docker.host = given.text()?.parse()?;
        Ok(())
    }),
    ..ROW
};

pub(super) const HELPER_IMAGE: Setting = Setting {
    key: "docker.helper_image",
    expects: "an image with Ringbolt in it",
    default: "the image that Ringbolt itself runs in",
    about: "What helper containers are made of: they read and write a workload's volumes where it has no tools of its own.",
    examples: &["ringbolt:local"],
    mistakes: &[""],
    reader: Reader::Plain(|settings, _, given| {
        let image = given.text()?;
        if image.is_empty() {
            return Err("it is empty".to_owned());
        }
        settings.docker.helper_image = Some(image);
        Ok(())
    }),
    ..ROW
};

pub(super) const TLS_CA: Setting = Setting {
    key: "docker.tls.ca",
    expects: "an absolute path, or the text: `-----BEGIN CERTIFICATE-----…`",
    default: "none; public authorities are not trusted",
    about: "The authority that must have signed the engine's certificate.",
    examples: &["/run/secrets/docker-ca.pem", "-----BEGIN CERTIFICATE-----…"],
    mistakes: &["", "ca.pem", "-----BEGIN PRIVATE KEY-----…"],
    secret: true,
    reader: Reader::Plain(|settings, _, given| {
        settings.docker.tls.ca = Some(given.text()?.parse()?);
        Ok(())
    }),
    ..ROW
};

pub(super) const TLS_CERT: Setting = Setting {
    key: "docker.tls.cert",
    expects: "an absolute path, or the text: `-----BEGIN CERTIFICATE-----…`",
    about: "The certificate to show to the engine, and behind it those between it and the authority.",
    examples: &["/run/secrets/docker-cert.pem", "-----BEGIN CERTIFICATE-----…"],
    mistakes: &["", "cert.pem", "-----BEGIN PRIVATE KEY-----…"],
    secret: true,
    reader: Reader::Plain(|settings, _, given| {
        settings.docker.tls.cert = Some(given.text()?.parse()?);
        Ok(())
    }),
    ..ROW
};

pub(super) const TLS_KEY: Setting = Setting {
    key: "docker.tls.key",
    expects: "the text: `-----BEGIN PRIVATE KEY-----…`, or an absolute path; better `docker.tls.key_file`, its path",
    about: "The certificate's key: RSA, ECDSA or Ed25519, without a passphrase.",
    examples: &["/run/secrets/docker-key.pem"],
    secret: true,
    reader: Reader::Secret(|settings, source| settings.docker.tls.key = Some(source)),
    ..ROW
};
