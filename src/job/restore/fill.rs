//! Filling a database: a new one under a name of its own, which gets its final one when everything is in
//! it and counted, so it is there whole or not at all; an empty one in its place.

use std::time::Duration;

use super::Prepared;
use crate::engine::Restore;
use crate::job::{Event, JobError, cat, load, random};
use crate::model::{Command, DatabaseName, Facts};
use crate::transport::{self, Limits, Stop};

/// How long the removal of a half-filled database may take.
const PATIENCE: Duration = Duration::from_mins(2);

impl Prepared {
    /// Fills a new or an empty database.
    pub(super) async fn fill_database(&self, name: &DatabaseName) -> Result<Facts, JobError> {
        let there = self.there(name).is_some();
        let staged = if there { name.clone() } else { self.staged(name) };
        let restore = self.engine().restore(&self.access(), &self.to(&staged, name)?);
        if !there {
            return self.make(&restore, &staged, restore.settle.as_ref()).await;
        }
        match self.fill_and_settle(&restore, name, restore.settle.as_ref()).await {
            Ok(facts) => Ok(facts),
            // What is there always, like all of a server, can be made empty again.
            Err(cause) if self.engine().card().whole.is_some() => {
                Err(self.take_back(cause, &restore.discard).await)
            }
            // It is somebody else's database, so it is not dropped; but what is in it now is said.
            Err(cause) => Err(JobError::HalfFilled { cause: Box::new(cause), name: name.clone() }),
        }
    }

    /// Makes a database, fills and settles it; takes it back if that fails.
    pub(super) async fn make(
        &self,
        restore: &Restore,
        staged: &DatabaseName,
        settle: Option<&Command>,
    ) -> Result<Facts, JobError> {
        // If this fails, somebody else may have made it: what we have not made, we do not remove.
        self.do_step(restore.create.as_ref()).await?;
        match self.fill_and_settle(restore, staged, settle).await {
            Ok(facts) => Ok(facts),
            Err(cause) => Err(self.take_back(cause, &restore.discard).await),
        }
    }

    async fn fill_and_settle(
        &self,
        restore: &Restore,
        staged: &DatabaseName,
        settle: Option<&Command>,
    ) -> Result<Facts, JobError> {
        self.load(&restore.load).await?;
        let expected = &self.archive.manifest.facts;
        let facts = load::compare(&self.session, &self.access(), staged, expected).await?;
        self.do_step(settle).await?;
        Ok(facts)
    }

    /// Passes the whole dump to a command.
    pub(super) async fn load(&self, command: &Command) -> Result<(), JobError> {
        let (manifest, watcher) = (&self.archive.manifest, &self.context.watcher);
        let (id, expected) = (manifest.id.clone(), manifest.plain.bytes);
        watcher(&Event::RestoreStarted { id, expected });
        let plain = cat::read(self.archive.clone(), self.context.identities.clone());
        let passed = std::sync::atomic::AtomicU64::new(0);
        let moved = |bytes| {
            watcher(&Event::RestoreAdvanced { bytes });
            let before = passed.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            if before + bytes == expected {
                watcher(&Event::RestoreLoaded);
            }
        };
        load::run(&self.session, command, plain, moved).await
    }

    /// Removes what a failed restore left, and says why it failed.
    pub(super) async fn take_back(&self, cause: JobError, discard: &Command) -> JobError {
        match self.discard(discard).await {
            Err(JobError::Transport(source)) => {
                JobError::LeftBehind { cause: Box::new(cause), source }
            }
            _ => cause,
        }
    }

    /// Runs a step, if there is one.
    pub(super) async fn do_step(&self, command: Option<&Command>) -> Result<(), JobError> {
        match command {
            Some(command) => self.answer(command).await.map(drop),
            None => Ok(()),
        }
    }

    /// Removes a database, also after we were asked to stop.
    pub(super) async fn discard(&self, command: &Command) -> Result<Vec<u8>, JobError> {
        let limits = Limits { stall: Some(PATIENCE), deadline: None, stop: Stop::never() };
        let place = self.engine().card().place;
        let transport = self.context.open(&self.workload, place, &limits)?;
        Ok(transport::answer(transport.as_ref(), command).await?)
    }

    /// The name under which a database is filled.
    pub(super) fn staged(&self, name: &DatabaseName) -> DatabaseName {
        match self.engine().card().renames {
            Some(longest) => super::left::staged_name(name, longest, random()),
            None => name.clone(),
        }
    }
}
