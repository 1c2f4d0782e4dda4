//! A workload: a thing with labels that may hold a database. Neutral: no Docker type is in here.

use std::collections::BTreeMap;

use super::{Secret, SecretRef};

/// A container as the engine reported it.
#[derive(Clone, PartialEq, Eq)]
pub struct Workload {
    /// The runtime's own id.
    pub id: String,
    /// Its name, without Docker's leading slash.
    pub name: String,
    /// The image as the operator wrote it: `postgres:15`.
    pub image: String,
    /// The digest of what really runs.
    pub image_digest: String,
    pub labels: BTreeMap<String, String>,
    pub env: Environment,
    pub running: bool,
    /// When it was created, for a stable order.
    pub created: String,
}

/// A container's own environment. Any value in it may be a secret, so all are kept like one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, Secret>);

impl Environment {
    /// A variable that is set and not empty, and is no secret: a name, a path.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::reveal).filter(|value| !value.is_empty())
    }

    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    /// Where a password is, by the first of these variables that says it; one with `_FILE` behind its
    /// name holds a path, and goes before it.
    pub fn password<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<SecretRef> {
        names.into_iter().find_map(|name| {
            let file = self.text(&format!("{name}_FILE"));
            let file = file.map(|path| SecretRef::File(path.to_owned()));
            file.or_else(|| self.text(name).map(|_| SecretRef::Env(name.to_owned())))
        })
    }

    /// The variables that hold this very value; an empty one is nobody's.
    pub fn holding<'a>(&'a self, value: &'a str) -> impl Iterator<Item = &'a str> {
        let same = move |(_, own): &(&String, &Secret)| !value.is_empty() && own.reveal() == value;
        self.0.iter().filter(same).map(|(name, _)| name.as_str())
    }

    /// As a Compose file writes it: a dollar twice, for one alone is a variable there.
    #[must_use]
    pub fn for_compose(&self) -> Self {
        let doubled = |secret: &Secret| Secret::new(secret.reveal().replace('$', "$$"));
        Self(self.0.iter().map(|(name, value)| (name.clone(), doubled(value))).collect())
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
    }
}

impl Workload {
    /// The name its Compose file gives it: project and service.
    pub fn compose_name(&self) -> Option<String> {
        let project = self.labels.get("com.docker.compose.project")?;
        let service = self.labels.get("com.docker.compose.service")?;
        Some(format!("{project}-{service}"))
    }
}

impl std::fmt::Debug for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workload")
            .field("name", &self.name)
            .field("image", &self.image)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}
