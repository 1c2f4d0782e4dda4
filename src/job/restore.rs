//! Restore: an archive back into a server, into a new or empty database.
//!
//! A new database is filled under a name of its own and gets its final name when everything is in
//! it and counted: like an archive, it is there whole or not at all.

use std::time::Duration;

use super::load;
use super::session::{self, Session};
use super::{Context, Event, JobError, cat, random};
use crate::archive::{self, Archive};
use crate::engine::{Access, Destination, Engine, EngineError};
use crate::labels;
use crate::model::{Command, Database, DatabaseName, Facts, Part, Workload};
use crate::transport::{self, Limits, Stop};

/// How long the removal of a half-filled database may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a restore did.
#[derive(Debug)]
pub enum Restored {
    Database { name: DatabaseName, facts: Facts },
    Globals { created: Vec<String>, kept: Vec<String> },
}

/// The server that is restored into.
struct Into<'a> {
    context: &'a Context,
    workload: &'a Workload,
    access: Access<'a>,
    session: Session,
}

/// Restores an archive into a container. `database`: another name than the dumped one.
///
/// # Errors
/// [`JobError`]; the target is then as it was, but for a database that was there and empty.
pub async fn run(
    context: &Context,
    archive: &Archive,
    workload: &Workload,
    database: Option<DatabaseName>,
) -> Result<Restored, JobError> {
    let manifest = &archive.manifest;
    let (id, container) = (manifest.id.clone(), workload.name.clone());
    // Before anything is touched: without the right key, nothing could come of it.
    archive::check_identities(manifest, &context.identities)?;
    archive.check_signature()?;
    let target = labels::target(&context.rules, workload)
        .map_err(|problems| JobError::Target { container: container.clone(), problems })?;
    let card = target.engine.card();
    if card.name != manifest.engine {
        let (archive, target) = (manifest.engine.clone(), card.name.to_owned());
        return Err(JobError::WrongEngine { id, archive, container, target });
    }
    if let (Some(name), true) = (card.whole, database.is_some()) {
        return Err(JobError::OneOnly { engine: manifest.engine.clone(), name });
    }
    // A restore is silent for as long as its largest index takes.
    let limits = Limits { stall: None, deadline: None, stop: context.stop.clone() };
    let name = database.as_ref().or(manifest.part.database());
    let paths: Vec<String> = name.iter().map(ToString::to_string).collect();
    let access = Access { paths: &paths, ..target.access() };
    let session = session::open(context, workload, target.engine, &access, &limits).await?;
    if session.server.major < manifest.server_major {
        let (from, to) = (manifest.server_version.clone(), session.server.version);
        return Err(JobError::Downgrade { id, from, container, to });
    }
    let into = Into { context, workload, access, session };
    let restored = match (&manifest.part, database) {
        (Part::Globals, None) => into.globals(archive).await,
        (Part::Globals, Some(_)) => Err(JobError::GlobalsNamed(id)),
        (Part::Database(own), name) => {
            into.database(archive, name.unwrap_or_else(|| own.clone())).await
        }
    };
    (context.watcher)(&Event::RestoreEnded);
    restored
}

impl Into<'_> {
    fn engine(&self) -> &'static dyn Engine {
        self.session.engine
    }

    async fn answer(&self, command: &Command) -> Result<Vec<u8>, JobError> {
        Ok(transport::answer(self.session.transport.as_ref(), command).await?)
    }

    async fn globals(&self, archive: &Archive) -> Result<Restored, JobError> {
        let mut plain = cat::read(archive.clone(), self.context.identities.clone());
        let mut dump = Vec::new();
        while let Some(piece) = plain.pieces.recv().await {
            dump.extend_from_slice(&piece);
        }
        plain.whole.await?;
        let dump = String::from_utf8(dump)
            .map_err(|_| EngineError::Globals("it is not UTF-8".to_owned()))?;
        let engine = self.engine();
        let none = || EngineError::NoGlobals(engine.card().name.to_owned());
        let globals = engine.globals().ok_or_else(none)?;
        let adapted = globals.adapt(&self.access, &dump, &self.session.server)?;
        self.answer(&adapted.load).await?;
        Ok(Restored::Globals { created: adapted.created, kept: adapted.kept })
    }

    async fn database(&self, archive: &Archive, name: DatabaseName) -> Result<Restored, JobError> {
        let (engine, access) = (self.engine(), &self.access);
        let container = self.workload.name.clone();
        let Some(like) = &archive.manifest.database else {
            return Err(JobError::NoProperties(archive.manifest.id.clone()));
        };
        // What would fail at the very end is asked before anything begins.
        let missing =
            needed_roles(like).find(|role| !self.session.server.roles.iter().any(|r| r == role));
        if let Some(role) = missing {
            return Err(JobError::NoRole { role: role.to_owned(), container });
        }
        let there = self.session.server.databases.iter().find(|database| database.name == name);
        let card = engine.card();
        let staged = match (there, card.renames) {
            (None, Some(longest)) => staged_name(&name, longest, random()),
            _ => name.clone(),
        };
        let (format, major) = (&*archive.manifest.format, self.session.server.major);
        let to = Destination { format, staged: &staged, name: &name, like, major };
        let restore = engine.restore(access, &to);
        let Some(there) = there else {
            // If this fails, somebody else may have made it: what we have not made, we do not remove.
            self.step(restore.create.as_ref()).await?;
            let filled = async {
                let facts = self.fill(archive, &restore.load, &staged).await?;
                self.step(restore.settle.as_ref()).await?;
                Ok(facts)
            };
            return match filled.await {
                Ok(facts) => Ok(Restored::Database { name, facts }),
                Err(cause) => Err(self.take_back(cause, &restore.discard).await),
            };
        };
        let answer = self.answer(&engine.count_objects(access, &name)).await?;
        if answer.trim_ascii() != b"0" {
            return Err(JobError::NotEmpty { name, container });
        }
        if card.fixed_encoding && there.encoding != like.encoding {
            let (expected, found) = (like.encoding.clone(), there.encoding.clone());
            return Err(JobError::Encoding { name, expected, found });
        }
        let filled = async {
            let facts = self.fill(archive, &restore.load, &name).await?;
            self.step(restore.settle.as_ref()).await?;
            Ok(facts)
        };
        match filled.await {
            Ok(facts) => Ok(Restored::Database { name, facts }),
            // What is there always, like all of a server, can be made empty again.
            Err(cause) if card.whole.is_some() => {
                Err(self.take_back(cause, &restore.discard).await)
            }
            // It is somebody else's database, so it is not dropped; but what is in it now is said.
            Err(cause) => Err(JobError::HalfFilled { cause: Box::new(cause), name }),
        }
    }

    /// Removes what a failed restore left, and says why it failed.
    async fn take_back(&self, cause: JobError, discard: &Command) -> JobError {
        match self.discard(discard).await {
            Err(JobError::Transport(source)) => {
                JobError::LeftBehind { cause: Box::new(cause), source }
            }
            _ => cause,
        }
    }

    /// Runs a step, if there is one.
    async fn step(&self, command: Option<&Command>) -> Result<(), JobError> {
        match command {
            Some(command) => self.answer(command).await.map(drop),
            None => Ok(()),
        }
    }

    /// Removes a half-filled database, also after we were asked to stop.
    async fn discard(&self, command: &Command) -> Result<Vec<u8>, JobError> {
        let limits = Limits { stall: Some(PATIENCE), deadline: None, stop: Stop::never() };
        let place = self.engine().card().place;
        let transport = self.context.open(self.workload, place, &limits)?;
        Ok(transport::answer(transport.as_ref(), command).await?)
    }

    /// Loads the dump into an empty database and compares what is in it then.
    async fn fill(
        &self,
        archive: &Archive,
        command: &Command,
        name: &DatabaseName,
    ) -> Result<Facts, JobError> {
        let (manifest, watcher) = (&archive.manifest, &self.context.watcher);
        let (id, expected) = (manifest.id.clone(), manifest.plain.bytes);
        watcher(&Event::RestoreStarted { id, expected });
        let plain = cat::read(archive.clone(), self.context.identities.clone());
        let moved = |bytes| watcher(&Event::RestoreAdvanced { bytes });
        load::run(&self.session, command, plain, moved).await?;
        load::compare(&self.session, &self.access, name, &manifest.facts).await
    }
}

/// Every role that the database itself names.
fn needed_roles(like: &Database) -> impl Iterator<Item = &str> {
    let grants = like.grants.iter().flatten().filter_map(|grant| grant.role.as_deref());
    let settings = like.settings.iter().filter_map(|setting| setting.role.as_deref());
    Some(like.owner.as_str())
        .filter(|owner| !owner.is_empty())
        .into_iter()
        .chain(grants)
        .chain(settings)
}

/// A name for a database that is being filled: recognisable, unique, and short enough.
fn staged_name(name: &DatabaseName, longest: usize, random: u64) -> DatabaseName {
    let suffix = format!("_ringbolt_{:08x}", random >> 32);
    let mut stem = name.as_str();
    while stem.len() + suffix.len() > longest {
        let mut characters = stem.chars();
        characters.next_back();
        stem = characters.as_str();
    }
    format!("{stem}{suffix}").parse().expect("a shortened name with a plain suffix is a name")
}
