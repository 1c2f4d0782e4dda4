//! Lists containers and turns what Docker says of them into workloads.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::errors::Error;
use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::{Docker, DockerError};
use crate::model::Workload;

/// How many containers are inspected at once: enough to hide the round trip, few enough for a
/// socket proxy.
const INSPECTIONS: usize = 8;

impl Docker {
    /// Every container, running or not, that has a label beginning with `prefix` and a dot, or one
    /// of `names`. The list is not filtered by the engine: a mistyped key would fall through its
    /// filter unseen.
    ///
    /// # Errors
    /// [`DockerError::List`], [`DockerError::Call`]. A container that vanishes meanwhile is none.
    pub async fn workloads(
        &self,
        prefix: &str,
        names: &BTreeSet<&str>,
    ) -> Result<Vec<Workload>, DockerError> {
        let begin = format!("{prefix}.");
        let ours = |container: &ContainerSummary| {
            let labels = container.labels.iter().flat_map(HashMap::keys);
            let named = |own: &String| names.contains(own.trim_start_matches('/'));
            labels.into_iter().any(|key| key.starts_with(&begin))
                || container.names.iter().flatten().any(named)
        };
        let ids: Vec<String> =
            self.list().await?.into_iter().filter(ours).filter_map(|found| found.id).collect();
        let found: Vec<Option<Workload>> = futures_util::stream::iter(ids)
            .map(|id| async move { self.inspect(&id).await })
            .buffer_unordered(INSPECTIONS)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The container with this name, id or beginning of an id.
    ///
    /// # Errors
    /// [`DockerError::NoContainer`] if there is none, or more than one id begins like this.
    pub async fn workload(&self, name: &str) -> Result<Workload, DockerError> {
        let all = self.list().await?;
        let with_name = |container: &&ContainerSummary| {
            let names = container.names.iter().flatten();
            names.into_iter().any(|own| own.strip_prefix('/') == Some(name))
        };
        let with_id = |container: &&ContainerSummary| {
            name.len() >= 6 && container.id.as_deref().is_some_and(|id| id.starts_with(name))
        };
        let named = all.iter().find(with_name);
        let found = named.or_else(|| {
            let mut found = all.iter().filter(with_id);
            found.next().filter(|_| found.next().is_none())
        });
        let missing = || DockerError::NoContainer(name.to_owned());
        let id = found.and_then(|container| container.id.as_deref()).ok_or_else(missing)?;
        self.inspect(id).await?.ok_or_else(missing)
    }

    async fn list(&self) -> Result<Vec<ContainerSummary>, DockerError> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let listed = self.client.list_containers(Some(options)).await;
        listed.map_err(|error| DockerError::List(Box::new(error)))
    }

    /// Whether a container is there and runs.
    ///
    /// # Errors
    /// [`DockerError::Call`] if Docker does not answer.
    pub async fn runs(&self, workload: &Workload) -> Result<bool, DockerError> {
        Ok(self.inspect(&workload.id).await?.is_some_and(|found| found.running))
    }

    pub(super) async fn inspect(&self, id: &str) -> Result<Option<Workload>, DockerError> {
        match self.client.inspect_container(id, None::<InspectContainerOptions>).await {
            Ok(container) => Ok(Some(workload(container))),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(DockerError::call("inspect", id)(error)),
        }
    }
}

fn workload(container: ContainerInspectResponse) -> Workload {
    let config = container.config.unwrap_or_default();
    let variable = |entry: String| {
        let (name, value) = entry.split_once('=').unwrap_or((&entry, ""));
        (name.to_owned(), value.to_owned())
    };
    Workload {
        id: container.id.unwrap_or_default(),
        name: container.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        image: config.image.unwrap_or_default(),
        image_digest: container.image.unwrap_or_default(),
        labels: config.labels.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>(),
        env: config.env.unwrap_or_default().into_iter().map(variable).collect(),
        running: container.state.and_then(|state| state.running).unwrap_or(false),
        created: container.created.unwrap_or_default(),
    }
}
