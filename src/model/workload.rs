//! A workload: a thing with labels that may hold a database. Neutral: no Docker type is in here.

use std::collections::BTreeMap;

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
    /// The environment. It holds secrets, so `Debug` leaves it out.
    pub env: BTreeMap<String, String>,
    pub running: bool,
    /// When it was created, for a stable order.
    pub created: String,
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
