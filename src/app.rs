//! The one place where concrete values meet: settings become a store, a connection, a context.

use std::path::Path;
use std::sync::Arc;

use crate::docker::Docker;
use crate::job::{Context, Event, JobError};
use crate::pipeline::Identities;
use crate::settings::{self, Settings, SettingsError};
use crate::store::{self, Store, StoreError};
use crate::transport::Stop;

/// What the faces work with. Docker is reached only when a command needs it.
#[derive(Debug)]
pub struct App {
    pub settings: Settings,
    pub store: Arc<dyn Store>,
}

/// Why the program cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// # Errors
    /// [`AppError`] if the settings are wrong or name no usable store.
    pub fn open(file: Option<&Path>) -> Result<Self, AppError> {
        let settings = settings::read(file)?;
        let mut stores = settings.stores.iter();
        let (name, first) = stores.next().ok_or(SettingsError::NoStore)?;
        if let Some((second, _)) = stores.next() {
            return Err(SettingsError::ManyStores(name.clone(), second.clone()).into());
        }
        let store = store::open(name.clone(), &first.url)?;
        Ok(Self { settings, store })
    }

    /// Connects to Docker.
    ///
    /// # Errors
    /// [`JobError::Docker`] if it is not reachable.
    pub async fn connect(
        &self,
        stop: Stop,
        watcher: Arc<dyn Fn(&Event) + Send + Sync>,
    ) -> Result<Context, JobError> {
        Ok(Context {
            docker: Docker::connect(&self.settings.docker.host).await?,
            store: self.store.clone(),
            prefix: self.settings.labels.prefix.clone(),
            secrets: self.settings.secrets.directory.clone(),
            identities: Identities::default(),
            stop,
            watcher,
        })
    }
}
