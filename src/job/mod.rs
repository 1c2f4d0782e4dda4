//! Jobs: backup, restore, verify, survey. Plain async functions that put the lower floors together.
//!
//! No job prints, exits or schedules. What happens on the way is told through [`Event`]s, what came
//! out is returned.

pub mod backup;
pub mod cat;
pub mod doctor;
pub mod drill;
pub mod echo;
mod error;
pub mod hold;
mod hook;
mod load;
pub mod recipe;
pub mod rekey;
pub mod restore;
mod session;
pub mod sign;
pub mod survey;
pub mod verify;

use std::path::PathBuf;
use std::sync::Arc;

pub use echo::EchoError;
pub use error::JobError;
use error::{advised, said};
pub use hold::Left;

use crate::docker::{Docker, DockerError, Endpoint};
use crate::engine::Engine;
use crate::labels::Rules;
use crate::model::{ArchiveId, PASSPHRASE, Part, Place, Plan, Secret, Slug, Sum, Workload};
use crate::pipeline::{Identities, PipelineError, Recipients, Signing};
use crate::settings::{DockerSettings, DrillSettings};
use crate::store::{Store, Stores};
use crate::transport::{self, Limits, Stop, Transport, TransportError, Way};

/// What every job needs.
#[derive(Clone)]
pub struct Context {
    pub docker: Docker,
    pub stores: Stores,
    /// What the operator offers to labels.
    pub rules: Arc<Rules>,
    /// Where `secret:NAME` is looked up.
    pub secrets: PathBuf,
    /// Where it is marked which containers are held.
    pub held: PathBuf,
    /// Where it is kept which databases restores are replacing.
    pub replacing: PathBuf,
    /// The image of helper containers, if it is not that of our own container.
    pub helper_image: Option<String>,
    /// What a drill may take.
    pub drill: DrillSettings,
    /// What encrypted archives are read with.
    pub identities: Identities,
    /// What manifests are signed with, and whose signatures are trusted.
    pub signing: Signing,
    /// What archives are encrypted with where a plan says so.
    pub passphrase: Option<Secret>,
    pub stop: Stop,
    /// Told what happens, from any thread.
    pub watcher: Arc<dyn Fn(&Event) + Send + Sync>,
}

impl Context {
    /// A transport to a workload, with a mark of its own for the commands that it starts.
    fn open(
        &self,
        workload: &Workload,
        place: Place,
        limits: &Limits,
    ) -> Result<Box<dyn Transport>, TransportError> {
        let (docker, secrets) = (&self.docker, self.secrets.as_path());
        let helper_image = self.helper_image.as_deref();
        let way = Way { docker, workload, secrets, helper_image, run: random(), limits };
        transport::open(&way, place)
    }

    /// The engine with this name, as a plan or a manifest says it.
    fn engine(&self, name: &str) -> Result<&'static dyn Engine, JobError> {
        self.rules.engine(name).ok_or_else(|| JobError::UnknownEngine(name.to_owned()))
    }

    /// What is not signed is refused: so it is not made either.
    fn check_signing(&self) -> Result<(), JobError> {
        match self.signing.demands() && self.signing.signer().is_none() {
            true => Err(JobError::Unsignable),
            false => Ok(()),
        }
    }

    /// Who can decrypt the archives of a plan.
    fn recipients(&self, plan: &Plan) -> Result<Recipients, JobError> {
        recipients(&plan.recipients, self.passphrase.as_ref())
    }

    /// The store of a plan.
    fn store(&self, plan: &Plan) -> Arc<dyn Store> {
        self.stores.get(&plan.store).expect("the rules let only known stores into a plan").clone()
    }
}

/// Who can decrypt what is written now, of what a plan says.
fn recipients(texts: &[String], passphrase: Option<&Secret>) -> Result<Recipients, JobError> {
    let recipients = match (texts, passphrase) {
        ([only], Some(own)) if only == PASSPHRASE => Recipients::with_passphrase(own.clone()),
        _ => Recipients::read(texts).and_then(|read| read.at(now())),
    };
    Ok(recipients.map_err(PipelineError::from)?)
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("stores", &self.stores).finish_non_exhaustive()
    }
}

/// Something that happened in a job.
#[derive(Debug)]
pub enum Event {
    /// Leftovers of a crash were removed.
    LeftoversSwept {
        removed: Vec<String>,
    },
    /// Containers that a killed run had left held go on, or still do not.
    HeldReleased(Left),
    /// What killed processes had left of their drills was removed, or could not be.
    DrillsReaped(Result<Vec<String>, JobError>),
    /// `expected`: a guess at the plain size, for progress only.
    DumpStarted {
        source: Slug,
        part: Part,
        expected: u64,
    },
    DumpAdvanced {
        bytes: u64,
    },
    ArchivePublished {
        source: Slug,
        part: Part,
        id: ArchiveId,
        plain: Sum,
        stored: Sum,
    },
    /// Behind the publication of an archive that is to be drilled.
    ArchiveDrilled {
        source: Slug,
        part: Part,
        verdict: String,
        /// So many bytes the drill had no time for while the dump went by.
        read_back: u64,
    },
    DumpFailed {
        source: Slug,
        part: Part,
    },
    RestoreStarted {
        id: ArchiveId,
        expected: u64,
    },
    RestoreAdvanced {
        bytes: u64,
    },
    /// The dump is in; what the server makes of it, indexes above all, may take as long again.
    RestoreLoaded,
    RestoreEnded,
    /// A step of a restore begins or is done.
    RestoreStep {
        about: String,
    },
}

/// Connects to Docker, or connects again: certificates and keys are read anew, and the API version
/// is agreed anew.
///
/// # Errors
/// [`JobError::Docker`] if it is not reachable, or one side does not trust the other.
pub async fn connect(settings: &DockerSettings) -> Result<Docker, JobError> {
    let endpoint = Endpoint::read(settings).map_err(DockerError::from)?;
    Ok(Docker::connect(&endpoint, now()).await?)
}

/// Runs work that blocks on a thread that may.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, JobError>
where
    T: Send + 'static,
    E: Into<JobError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(error) => Err(JobError::Panicked(error.to_string())),
    }
}

/// The time, as precise as anybody wants to read it.
fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Millisecond).unwrap_or(now)
}

/// 64 random bits from the system.
fn random() -> u64 {
    getrandom::u64().expect("the system gives random numbers")
}
