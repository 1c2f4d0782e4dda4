//! Restore: an archive back into a server, or into a folder of the host.
//!
//! First everything is asked, and what cannot be is refused, before anything is touched
//! ([`prepare`]); then it is done ([`Prepared::run`]). `plan.rs` knows what will happen, `fill.rs` how a
//! database is filled, `replace.rs` how one gives way, `tables.rs` single tables, `folder.rs` the host.

mod error;
mod fill;
mod folder;
mod globals;
mod left;
mod mark;
mod plan;
mod replace;
mod tables;

pub use error::{RestoreError, put_back};
pub use folder::{Folder, Written, into_folder};
pub(super) use left::staged_name;
pub use left::{Leftover, is_leftover};
pub(crate) use mark::folder as marks;
pub use mark::{Unfinished, unfinished};
pub use plan::{Does, RestorePlan, Safety, There};

use super::session::{self, Session};
use super::{Context, Event, JobError};
use crate::archive::{self, Archive};
use crate::engine::{Access, Destination, Engine, Replacement};
use crate::labels::{self, Target};
use crate::model::{
    ArchiveId, Command, Database, DatabaseName, Facts, Part, Plan, TableRows, Workload,
};
use crate::transport::{self, Limits};

/// What is wanted beside the archive and the container.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Another name than the dumped one.
    pub database: Option<DatabaseName>,
    /// Whether a database that is not empty gives way.
    pub replace: bool,
    /// Only these tables; empty: all of it.
    pub tables: Vec<String>,
}

/// What a restore did.
#[derive(Debug)]
pub enum Restored {
    Database {
        name: DatabaseName,
        facts: Facts,
        /// The archive of what was there before.
        safety: Option<ArchiveId>,
    },
    Tables {
        name: DatabaseName,
        tables: Vec<TableRows>,
    },
    Globals {
        created: Vec<String>,
        kept: Vec<String>,
    },
}

/// A restore that may begin: everything that could be asked before was.
#[derive(Debug)]
pub struct Prepared {
    context: Context,
    archive: Archive,
    workload: Workload,
    target: Target,
    /// For engines of files: the one that is restored.
    paths: Vec<String>,
    session: Session,
    pub plan: RestorePlan,
    /// How what is there is backed up first.
    safety: Option<Plan>,
}

/// Asks everything that a restore into a container depends on, and touches nothing.
///
/// # Errors
/// [`JobError`] for everything that can be known to stand in the way.
pub async fn prepare(
    context: &Context,
    archive: &Archive,
    workload: &Workload,
    wish: Wish,
) -> Result<Prepared, JobError> {
    let manifest = &archive.manifest;
    let (id, container) = (manifest.id.clone(), workload.name.clone());
    // Before anything is asked: without the right key, nothing could come of it.
    archive::check_identities(manifest, &context.identities)?;
    archive.check_signature()?;
    let target = labels::target(&context.rules, workload)
        .map_err(|problems| JobError::Target { container: container.clone(), problems })?;
    let card = target.engine.card();
    if card.name != manifest.engine {
        let (archive, target) = (manifest.engine.clone(), card.name.to_owned());
        return Err(JobError::WrongEngine { id, archive, container, target });
    }
    if let (Some(name), true) = (card.whole, wish.database.is_some()) {
        return Err(JobError::OneOnly { engine: manifest.engine.clone(), name });
    }
    let name = wish.database.as_ref().or(manifest.part.database());
    let paths: Vec<String> = name.iter().map(ToString::to_string).collect();
    // A restore is silent for as long as its largest index takes.
    let limits = Limits { stall: None, deadline: None, stop: context.stop.clone() };
    let access = Access { paths: &paths, ..target.access() };
    let session = session::open(context, workload, target.engine, &access, &limits).await?;
    if session.server.major < manifest.server_major {
        let (from, to) = (manifest.server_version.clone(), session.server.version);
        return Err(JobError::Downgrade { id, from, container, to });
    }
    let plan = RestorePlan::new(archive, workload, &session.server);
    let mut prepared = Prepared {
        context: context.clone(),
        archive: archive.clone(),
        workload: workload.clone(),
        target,
        paths,
        session,
        plan,
        safety: None,
    };
    match (&manifest.part, wish.database.clone()) {
        (Part::Globals, None) if wish.replace || !wish.tables.is_empty() => {
            return Err(RestoreError::GlobalsOnly(id).into());
        }
        (Part::Globals, None) => prepared.plan.does = prepared.plan_globals().await?,
        (Part::Globals, Some(_)) => return Err(JobError::GlobalsNamed(id)),
        (Part::Database(own), name) => {
            prepared.plan_database(name.unwrap_or_else(|| own.clone()), &wish).await?;
        }
    }
    Ok(prepared)
}

impl Prepared {
    /// Does what the plan says.
    ///
    /// # Errors
    /// [`JobError`]; the target is then as it was, or the error says what it is now, and how what was
    /// there is put back.
    pub async fn run(self) -> Result<Restored, JobError> {
        let restored = self.carry_out().await;
        (self.context.watcher)(&Event::RestoreEnded);
        let restored = restored?;
        if let Restored::Database { name, .. } = &restored {
            mark::forget(&self.context, &self.workload, name)?;
        }
        Ok(restored)
    }

    async fn carry_out(&self) -> Result<Restored, JobError> {
        let Some(name) = self.plan.database.clone() else { return self.globals().await };
        self.remove_leftovers().await?;
        match &self.plan.does {
            Does::Globals { .. } => self.globals().await,
            Does::Tables { tables, chosen, .. } => self.fill_tables(name, tables, chosen).await,
            Does::Create | Does::Fill => {
                let facts = self.fill_database(&name).await?;
                Ok(Restored::Database { name, facts, safety: None })
            }
            Does::Swap | Does::Refill => self.replace(name).await,
        }
    }

    fn engine(&self) -> &'static dyn Engine {
        self.session.engine
    }

    fn access(&self) -> Access<'_> {
        Access { paths: &self.paths, ..self.target.access() }
    }

    fn like(&self) -> Result<&Database, JobError> {
        let manifest = &self.archive.manifest;
        let none = || JobError::NoProperties(manifest.id.clone());
        manifest.database.as_ref().ok_or_else(none)
    }

    fn there(&self, name: &DatabaseName) -> Option<&Database> {
        self.session.server.databases.iter().find(|database| database.name == *name)
    }

    fn to<'a>(
        &'a self,
        staged: &'a DatabaseName,
        name: &'a DatabaseName,
    ) -> Result<Destination<'a>, JobError> {
        let (format, major) = (&*self.archive.manifest.format, self.session.server.major);
        Ok(Destination { format, staged, name, like: self.like()?, major })
    }

    fn replacement(
        &self,
        staged: &DatabaseName,
        name: &DatabaseName,
        old: &DatabaseName,
    ) -> Result<Replacement, JobError> {
        Ok(self.engine().replacement(&self.access(), &self.to(staged, name)?, old))
    }

    async fn answer(&self, command: &Command) -> Result<Vec<u8>, JobError> {
        Ok(transport::answer(self.session.transport.as_ref(), command).await?)
    }

    /// Asks for one number.
    async fn count(&self, command: &Command) -> Result<String, JobError> {
        let answer = self.answer(command).await?;
        Ok(String::from_utf8_lossy(answer.trim_ascii()).into_owned())
    }

    fn step(&self, about: String) {
        (self.context.watcher)(&Event::RestoreStep { about });
    }
}
