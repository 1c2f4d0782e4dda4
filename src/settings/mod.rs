//! Settings: defaults, then a file, then the environment. Reads them once and says where a wrong
//! value came from.
//!
//! It does not know which stores exist or what a label means.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml, Yaml};
use serde::{Deserialize, Serialize};

use crate::model::{ErrorKind, Explain, Slug};

/// The file that is read if it is there; one given by hand must be there.
pub const DEFAULT_FILE: &str = "/etc/ringbolt/ringbolt.toml";
const PREFIX: &str = "RINGBOLT_";

/// All settings, resolved.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub docker: DockerSettings,
    pub labels: LabelSettings,
    pub stores: BTreeMap<Slug, StoreSettings>,
    pub secrets: SecretSettings,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DockerSettings {
    /// `unix:///path` or `tcp://host:port`.
    pub host: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LabelSettings {
    /// What our labels begin with, without the dot.
    pub prefix: Slug,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    pub url: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretSettings {
    /// Where `secret:NAME` is looked up.
    pub directory: PathBuf,
}

impl Default for DockerSettings {
    fn default() -> Self {
        Self { host: "unix:///var/run/docker.sock".to_owned() }
    }
}

impl Default for LabelSettings {
    fn default() -> Self {
        Self { prefix: "ringbolt".parse().expect("the default prefix is a slug") }
    }
}

impl Default for SecretSettings {
    fn default() -> Self {
        Self { directory: "/run/secrets".into() }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{}", explain(.0))]
    Wrong(Box<figment::Error>),
    #[error("cannot read settings file `{}`", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    #[error("no store is configured")]
    NoStore,
    #[error("stores `{0}` and `{1}` are configured; this version writes to one")]
    ManyStores(Slug, Slug),
}

impl Explain for SettingsError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoStore => "set RINGBOLT_STORES__LOCAL__URL=file:///backups",
            Self::ManyStores(..) => "keep one of them",
            Self::Wrong(_) | Self::File(..) => return None,
        };
        Some(hint.to_owned())
    }
}

/// One line for each wrong setting: what, where, from which origin.
fn explain(error: &figment::Error) -> String {
    let lines: Vec<String> = error
        .clone()
        .into_iter()
        .map(|error| {
            let key = error.path.join(".");
            let origin = match &error.metadata {
                Some(metadata) => match &metadata.source {
                    Some(source) => format!(" in {source}"),
                    None if metadata.name.contains("environment") => {
                        format!(" in variable {PREFIX}{}", key.replace('.', "__").to_uppercase())
                    }
                    None => format!(" in {}", metadata.name),
                },
                None => String::new(),
            };
            match key.is_empty() {
                true => format!("setting{origin}: {}", error.kind),
                false => format!("setting `{key}`{origin}: {}", error.kind),
            }
        })
        .collect();
    lines.join("\n")
}

/// Reads the settings. `file`: a file given by hand, TOML or (by its extension) YAML.
///
/// # Errors
/// [`SettingsError::Wrong`] for a value or key that is not known, with its origin.
pub fn read(file: Option<&Path>) -> Result<Settings, SettingsError> {
    let mut figment = Figment::from(Serialized::defaults(Settings::default()));
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(path) {
        Ok(_) if matches!(path.extension().and_then(|e| e.to_str()), Some("yaml" | "yml")) => {
            figment = figment.merge(Yaml::file_exact(path));
        }
        Ok(_) => figment = figment.merge(Toml::file_exact(path)),
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(SettingsError::File(path.to_owned(), error)),
    }
    // RINGBOLT_CONFIG names the file itself; it is the command line's.
    let environment = Env::prefixed(PREFIX).ignore(&["config"]).split("__");
    figment.merge(environment).extract().map_err(|error| SettingsError::Wrong(Box::new(error)))
}
