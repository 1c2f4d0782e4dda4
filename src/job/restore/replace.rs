//! Replacing: what is there is backed up first, by the code of every backup, and only when that archive is
//! published is anything done to it. Then it gives way, in one step where the engine can, else by being
//! removed, and every error from there on names the archive.

use super::left;
use super::mark::Mark;
use super::{Does, Prepared, RestoreError, Restored};
use crate::engine::Replacement;
use crate::job::{JobError, backup, cat, random};
use crate::labels::Target;
use crate::model::{ArchiveId, DatabaseName, Facts, Part, Plan, Trigger};
use crate::transport::Limit;

/// The safety backup talks to the server as the restore does.
pub(super) fn as_the_target(plan: Plan, target: &Target) -> Plan {
    Plan { user: target.user.clone(), password: target.password.clone(), ..plan }
}

impl Prepared {
    pub(super) async fn replace(&self, name: DatabaseName) -> Result<Restored, JobError> {
        if self.plan.does == Does::Refill {
            // Once the old one is gone, this is no time to find out that the archive is damaged.
            self.step(format!("reading archive {} to its end", self.plan.archive));
            self.read_through().await?;
        }
        let whole = self.engine().card().whole.is_some();
        let mark = match self.plan.does {
            Does::Refill => Some(Mark::claim(&self.context, &self.workload, &name, whole)?),
            _ => None,
        };
        let safety = self.back_up(&name).await?;
        // Until here, whoever changes their mind has lost nothing.
        if self.context.stop.asked() {
            return Err(JobError::Stopped(Limit::Stopped));
        }
        let facts = match mark {
            Some(mark) => self.refill(&name, &safety, mark).await,
            None => self.swap(&name).await,
        };
        Ok(Restored::Database { name, facts: facts?, safety: Some(safety) })
    }

    async fn read_through(&self) -> Result<(), JobError> {
        let mut plain = cat::read(self.archive.clone(), self.context.identities.clone());
        while plain.pieces.recv().await.is_some() {}
        plain.whole.await
    }

    /// Backs up what is there. Publishing reads every stored byte back.
    async fn back_up(&self, name: &DatabaseName) -> Result<ArchiveId, JobError> {
        let plan = self.safety.as_ref().expect("a plan that replaces has a plan of a backup");
        self.step(format!("backing up database {name} as {}, before it is replaced", plan.source));
        let report = backup::run(&self.context, plan, Trigger::BeforeRestore).await;
        if let Some((_, cause)) = report.failures.into_iter().next() {
            return Err(RestoreError::Safety { name: name.clone(), cause: Box::new(cause) }.into());
        }
        let own = Part::Database(name.clone());
        let made = report.archives.into_iter().find(|manifest| manifest.part == own);
        let none = || JobError::NoDatabase { name: name.clone(), found: Vec::new() };
        made.map(|manifest| manifest.id).ok_or_else(none)
    }

    /// Fills a new one beside the old one. Until both change their names, the old one is as it was.
    async fn swap(&self, name: &DatabaseName) -> Result<Facts, JobError> {
        let longest = self.engine().card().renames.unwrap_or(usize::MAX);
        let (staged, old) = (self.staged(name), left::old_name(name, longest, random()));
        let restore = self.engine().restore(&self.access(), &self.to(&staged, name)?);
        let Replacement::Swap { settle, remove } = self.replacement(&staged, name, &old)? else {
            return Err(RestoreError::Changed.into());
        };
        let facts = self.make(&restore, &staged, Some(&settle)).await?;
        self.step(format!("`{name}` is the restored one; the old one is removed"));
        match self.discard(&remove).await {
            Ok(_) => Ok(facts),
            Err(cause) => Err(RestoreError::OldOne { old, cause: Box::new(cause) }.into()),
        }
    }

    /// Removes the old one and fills a new one in its place.
    async fn refill(
        &self,
        name: &DatabaseName,
        safety: &ArchiveId,
        mut mark: Mark,
    ) -> Result<Facts, JobError> {
        let restore = self.engine().restore(&self.access(), &self.to(name, name)?);
        let Replacement::Refill { remove } = self.replacement(name, name, name)? else {
            return Err(RestoreError::Changed.into());
        };
        mark.write(safety)?;
        self.step(format!("removing the old `{name}`, which is in archive {safety}"));
        let filled = async {
            self.answer(&remove).await?;
            self.make(&restore, name, restore.settle.as_ref()).await
        };
        match filled.await {
            Ok(facts) => mark.remove().map(|()| facts),
            Err(cause) => {
                let (name, safety) = (name.clone(), safety.clone());
                let container = self.workload.name.clone();
                let whole = self.engine().card().whole.is_some();
                let cause = Box::new(cause);
                Err(RestoreError::Replaced { cause, name, safety, container, whole }.into())
            }
        }
    }
}
