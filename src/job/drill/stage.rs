//! The stage of a drill: a throwaway container with an empty server, or an empty folder, made like the
//! workload that was dumped; and the restore into it.
//!
//! It does not know where a dump comes from, nor what a drill that failed is worth.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::load::{self, Plain};
use super::super::restore::staged_name;
use super::super::session::{self, Session};
use super::super::{Context, JobError, random};
use crate::docker::{Fate, Making, Runs, Throwaway};
use crate::engine::{self, Access, Destination, Engine, FOLDER, Rehearsal, Restore, Sums};
use crate::model::{Census, Command, Database, DatabaseName, Environment, Facts, Slug, Workload};
use crate::transport::{self, Limits, TransportError};

/// How long a server may take until it takes work. An empty one takes seconds.
const READY: Duration = Duration::from_mins(5);
/// Between two looks at whether it does.
const PAUSE: Duration = Duration::from_millis(200);
/// What is restored may take so much more room than it takes in its server: logs, and indexes that are
/// sorted. In percent, and besides.
const ROOM: (u64, u64) = (150, 512 << 20);

/// Prints how many KiB are free where the first of these folders is that is there.
const FREE: &str = r#"
for folder; do
  [ -d "$folder" ] || continue
  df -P -k "$folder" | { read -r _; read -r _ _ _ free _; echo "$free"; }
  exit
done
exit 1
"#;

/// Of what a stage is made.
pub(super) struct Model<'a> {
    pub(super) source: &'a Slug,
    pub(super) engine: &'static dyn Engine,
    /// An image's digest or name.
    pub(super) image: &'a str,
    /// Whose command and environment it gets.
    pub(super) like: Option<&'a Workload>,
    /// As whom the workload was dumped.
    pub(super) access: Access<'a>,
    /// How large what is restored will be, as far as that is known.
    pub(super) bytes: u64,
}

/// A throwaway container that takes work.
#[derive(Debug)]
pub(super) struct Stage {
    throwaway: Throwaway,
    session: Arc<Session>,
    rehearsal: Rehearsal,
}

/// A database that is being restored on a stage.
#[derive(Debug)]
pub(super) struct Act {
    /// The name under which it is filled.
    staged: DatabaseName,
    /// Its name when it is settled.
    name: DatabaseName,
    restore: Restore,
}

impl Stage {
    /// Makes the container and waits until it takes work. If this fails, nothing is left of it.
    ///
    /// # Errors
    /// [`JobError`]: none of them says anything about an archive.
    pub(super) async fn set_up(
        context: &Context,
        model: &Model<'_>,
        limits: &Limits,
    ) -> Result<Self, JobError> {
        let none = Environment::default();
        let env = model.like.map_or(&none, |workload| &workload.env);
        let undrillable = || JobError::Undrillable(model.engine.card().name.to_owned());
        let rehearsal = model.engine.rehearsal(env, &model.access).ok_or_else(undrillable)?;
        let mut confined = true;
        loop {
            let throwaway = make(context, model, &rehearsal, confined).await?;
            match prepare(context, model, &rehearsal, &throwaway, limits).await {
                Ok(session) => {
                    return Ok(Self { throwaway, session: Arc::new(session), rehearsal });
                }
                Err(error) => {
                    let fate = throwaway.fate().await;
                    throwaway.remove().await?;
                    if fate.is_ok_and(|fate| fate.out_of_memory) {
                        return Err(JobError::OutOfMemory);
                    }
                    // Some images write where an image is not expected to write.
                    if !confined || !matches!(error, JobError::Unready { .. }) {
                        return Err(error);
                    }
                    confined = false;
                }
            }
        }
    }

    fn access(&self) -> Access<'_> {
        let Rehearsal { user, password, .. } = &self.rehearsal;
        Access { user, password: password.as_ref(), paths: &[] }
    }

    async fn answer(&self, command: &Command) -> Result<Vec<u8>, JobError> {
        Ok(transport::answer(self.session.transport.as_ref(), command).await?)
    }

    /// Loads what belongs to the server and to no database: who owns what is restored.
    pub(super) async fn globals(&self, dump: &str) -> Result<(), JobError> {
        let Some(globals) = self.session.engine.globals() else { return Ok(()) };
        let adapted = globals.adapt(&self.access(), dump, &self.session.server)?;
        self.answer(&adapted.load).await.map(drop)
    }

    /// Makes the empty database that is filled then.
    pub(super) async fn begin(&self, format: &str, like: &Database) -> Result<Act, JobError> {
        let (card, major) = (self.session.engine.card(), self.session.server.major);
        let own = match self.rehearsal.stage {
            engine::Stage::Server => like.name.clone(),
            engine::Stage::Shell | engine::Stage::Volume => {
                let file = like.name.as_str().rsplit('/').next().unwrap_or_default();
                let file = format!("{FOLDER}/{file}").parse();
                file.unwrap_or_else(|_| like.name.clone())
            }
        };
        let staged = match card.renames {
            Some(longest) => staged_name(&own, longest, random()),
            None => own.clone(),
        };
        // A server may have a database of that name already; nobody needs the right one here.
        let name = if self.rehearsal.stage == engine::Stage::Server { staged.clone() } else { own };
        let to = Destination { format, staged: &staged, name: &name, like, major };
        let restore = self.session.engine.restore(&self.access(), &to);
        if let Some(create) = &restore.create {
            self.answer(create).await?;
        }
        Ok(Act { staged, name, restore })
    }

    /// Loads a dump into it.
    pub(super) fn load(
        &self,
        act: &Act,
        plain: Plain,
    ) -> impl Future<Output = Result<(), JobError>> + Send + 'static {
        let (session, command) = (self.session.clone(), act.restore.load.clone());
        async move { load::run(&session, &command, plain, |_| {}).await }
    }

    /// Whether something is to run in the container, and not only to use its volume.
    pub(super) fn runs(&self) -> bool {
        self.rehearsal.stage != engine::Stage::Volume
    }

    /// What became of the container.
    pub(super) async fn fate(&self) -> Result<Fate, JobError> {
        Ok(self.throwaway.fate().await?)
    }

    /// Compares what is there then with what was found in the dump, and with a census of the original.
    pub(super) async fn compare(
        &self,
        act: &Act,
        facts: &Facts,
        census: Option<(&Census, Sums)>,
    ) -> Result<(), JobError> {
        let access = self.access();
        load::compare(&self.session, &access, &act.staged, facts).await?;
        if let Some(settle) = &act.restore.settle {
            self.answer(settle).await?;
        }
        let Some((expected, sums)) = census else { return Ok(()) };
        let major = self.session.server.major;
        let Some(questions) = self.session.engine.census(&access, &act.name, sums, major) else {
            return Ok(());
        };
        let answer = self.answer(&questions.command.stdin(questions.ask)).await?;
        let differences = expected.missing_in(&engine::read_census(&answer)?);
        match differences.is_empty() {
            true => Ok(()),
            false => Err(JobError::Census(differences)),
        }
    }

    /// Makes room for the next database.
    pub(super) async fn clear(
        &self,
        act: &Act,
        format: &str,
        like: &Database,
    ) -> Result<(), JobError> {
        let (name, major) = (&act.name, self.session.server.major);
        let to = Destination { format, staged: name, name, like, major };
        let discard = self.session.engine.restore(&self.access(), &to).discard;
        self.answer(&discard).await.map(drop)
    }

    /// Removes it with everything in it.
    pub(super) async fn remove(self) -> Result<(), JobError> {
        Ok(self.throwaway.remove().await?)
    }
}

async fn make(
    context: &Context,
    model: &Model<'_>,
    rehearsal: &Rehearsal,
    confined: bool,
) -> Result<Throwaway, JobError> {
    let password = format!("{:016x}{:016x}", random(), random());
    let env = rehearsal.passwords.iter().map(|name| format!("{name}={password}")).collect();
    let (runs, folder) = match rehearsal.stage {
        engine::Stage::Server => (Runs::Command, None),
        engine::Stage::Shell => (Runs::Shell, Some(FOLDER)),
        engine::Stage::Volume => (Runs::Nothing, Some(FOLDER)),
    };
    let making = Making {
        image: model.image,
        like: model.like,
        runs,
        unset: &rehearsal.unset,
        env,
        data: &rehearsal.data,
        omit: rehearsal.omit,
        folder,
        memory: context.drill.memory,
        millicpus: context.drill.millicpus,
        source: model.source.as_str(),
        mark: &format!("{:016x}", random()),
        confined,
    };
    Ok(context.docker.throwaway(&making).await?)
}

/// Waits for the server, looks whether there is room, and logs in.
async fn prepare(
    context: &Context,
    model: &Model<'_>,
    rehearsal: &Rehearsal,
    throwaway: &Throwaway,
    limits: &Limits,
) -> Result<Session, JobError> {
    let workload = &throwaway.workload;
    let access =
        Access { user: &rehearsal.user, password: rehearsal.password.as_ref(), paths: &[] };
    let transport = context.open(workload, model.engine.card().place, limits)?;
    if let Some(ready) = &rehearsal.ready {
        let deadline = Instant::now() + READY;
        while let Err(error) = transport::answer(transport.as_ref(), ready).await {
            if let Some(limit) = limits.reached() {
                return Err(JobError::Stopped(limit));
            }
            let ended = !throwaway.fate().await?.running;
            let failed = matches!(error, TransportError::Failed(_)) && !error.is_missing();
            // A command that was at work when the container ended has no exit code.
            if ended || Instant::now() > deadline {
                return Err(JobError::Unready { said: throwaway.words() });
            }
            if !failed {
                return Err(error.into());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    if rehearsal.stage != engine::Stage::Volume {
        let folders = rehearsal.data.iter().map(String::as_str).chain([FOLDER, "/"]);
        let free = folders.fold(Command::script("df", FREE), Command::arg);
        // Where nothing can tell, the restore itself will.
        if let Ok(answer) = transport::answer(transport.as_ref(), &free).await
            && let Some(free) = String::from_utf8_lossy(&answer).trim().parse::<u64>().ok()
        {
            let (free, needed) = (free << 10, model.bytes / 100 * ROOM.0 + ROOM.1);
            if free < needed {
                return Err(JobError::NoRoom { free, needed });
            }
        }
    }
    if let Some(hurry) = &rehearsal.hurry {
        // Without, it is slower, and nothing else: what an engine must have comes first in it.
        transport::answer(transport.as_ref(), hurry).await.ok();
    }
    session::open(context, workload, model.engine, &access, limits).await
}
