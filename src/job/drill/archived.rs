//! The drill of an archive that is there already, from any store, and how long a restore takes.

use std::time::Duration;

use tokio::time::Instant;

use super::super::{Context, JobError, blocking, cat, now};
use super::Verdict;
use super::stage::{Model, Stage};
use crate::archive::{self, Archive, Check, Proof, Standing};
use crate::docker::DockerError;
use crate::engine::{Access, Sums};
use crate::model::{Database, Level, Part, SecretRef, Workload, chain};

/// What came of it.
#[derive(Debug)]
pub struct Drilled {
    pub verdict: Verdict,
    /// From the first call to Docker until everything was there and compared: how long people would wait.
    pub took: Duration,
    pub proof: Proof,
}

/// Drills an archive and records the result. `image`: another one than it was dumped from.
///
/// # Errors
/// [`JobError`] if it cannot be begun, or the result not be recorded.
pub async fn run(
    context: &Context,
    archive: &Archive,
    globals: Option<&Archive>,
    image: Option<&str>,
) -> Result<Drilled, JobError> {
    let manifest = &archive.manifest;
    let Part::Database(name) = &manifest.part else {
        return Err(JobError::Undrillable("globals".to_owned()));
    };
    archive::check_identities(manifest, &context.identities)?;
    archive.check_signature()?;
    let engine = context.engine(&manifest.engine)?;
    let limits = super::limits(context, None);
    let password: Option<SecretRef> =
        manifest.access.password.as_deref().and_then(|reference| reference.parse().ok());
    let like = original(context, archive).await?;
    let named = Database::named(name.clone());
    let database = manifest.database.as_ref().unwrap_or(&named);
    let mut model = Model {
        source: &manifest.source,
        engine,
        image: image.unwrap_or(&manifest.workload.image_digest),
        like: like.as_ref(),
        access: Access { user: &manifest.access.user, password: password.as_ref(), paths: &[] },
        bytes: manifest.plain.bytes,
    };
    let began = Instant::now();
    let stage = match Stage::set_up(context, &model, &limits).await {
        // The digest is one host's own; on another one, the name is what is left.
        Err(JobError::Docker(DockerError::NoThrowawayImage(_))) if image.is_none() => {
            model.image = &manifest.workload.image;
            Stage::set_up(context, &model, &limits).await
        }
        other => other,
    };
    let stage = stage?;
    let roles = async {
        let Some(globals) = globals else { return Ok(()) };
        stage.globals(&cat::text(globals, &context.identities).await?).await
    };
    let roles: Result<(), JobError> = roles.await;
    let judged = async {
        let act = stage.begin(&manifest.format, database).await?;
        let plain = cat::read(archive.clone(), context.identities.clone());
        stage.load(&act, plain).await?;
        let census = manifest.census.as_ref().map(|census| {
            (census, if census.tells_contents() { Sums::Contents } else { Sums::Rows })
        });
        stage.compare(&act, &manifest.facts, census).await
    };
    let verdict = if let Err(error) = roles {
        // They are another archive, and say nothing of this one.
        drop(judged);
        Verdict::Open(error)
    } else {
        let judged = judged.await;
        Verdict::of(judged, &stage).await
    };
    let took = began.elapsed();
    stage.remove().await?;
    let failure = match &verdict {
        Verdict::Passed => None,
        Verdict::Failed(error) => Some(chain(error)),
        Verdict::Open(_) => return Ok(Drilled { verdict, took, proof: archive.proof.clone() }),
    };
    let took_ms = u64::try_from(took.as_millis()).ok();
    let check = Check { level: Level::Drill, at: now(), failure, took_ms };
    let (own, address) = (archive.clone(), manifest.address());
    let proof = blocking(move || archive::record(own.store.as_ref(), &address, own.proof, check));
    Ok(Drilled { verdict, took, proof: proof.await? })
}

/// The globals that fit an archive: of the same run, which backs them up last, or else of the nearest.
pub fn globals_of<'a>(archives: &'a [Archive], archive: &Archive) -> Option<&'a Archive> {
    let (source, at) = (&archive.manifest.source, archive.manifest.started_at);
    let globals = archives.iter().filter(|own| {
        own.manifest.source == *source
            && own.manifest.part == Part::Globals
            && own.proof.standing() != Standing::Broken
    });
    globals.min_by_key(|own| own.manifest.started_at.duration_since(at).abs())
}

/// The container that the archive comes from, if it is still there: its command and environment are the
/// best guess at how its server is started.
async fn original(context: &Context, archive: &Archive) -> Result<Option<Workload>, JobError> {
    let record = &archive.manifest.workload;
    for name in [&record.container_id, &record.container] {
        match context.docker.workload(name).await {
            Ok(workload) => return Ok(Some(workload)),
            Err(DockerError::NoContainer(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
