//! Doctor: what is wrong with Docker, stores, keys, clocks and tools, and what to do about it. It
//! changes nothing but what a store's probe does.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::restore;
use super::survey::{self, StoreFinding};
use super::{Context, JobError};
use crate::docker::{Certificate, Endpoint};
use crate::labels::dialect::{BT_VARIABLES, Renamed};
use crate::model::units::{Bytes, span};
use crate::model::{ArchiveId, Explain, Problem, Server, Slug, chain, is_certificate};
use crate::pipeline::{Identities, Recipients};
use crate::settings::{self, DockerHost, DockerSettings, Settings};

/// Clocks that differ by more than this make retention and freshness lie.
const CLOCKS: Duration = Duration::from_secs(5);

/// A certificate that ends sooner than this is told: time enough to renew it by hand.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What is said of archives that one key alone opens, and what to do about it.
pub const LONE_KEY: (&str, &str) = (
    "there is only one recipient: if its identity is lost, so are the archives",
    "add a second public key to `encryption.recipients`, whose identity is kept elsewhere; `ringbolt rekey` \
     takes the archives of before along",
);

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub subject: &'static str,
    pub state: State,
    pub message: String,
    pub advice: Option<String>,
}

/// How a finding reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Good,
    /// It works, and may not be what was meant.
    Doubtful,
    Bad,
}

impl Finding {
    fn new(subject: &'static str, state: State, message: impl Into<String>) -> Self {
        Self { subject, state, message: message.into(), advice: None }
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Something that failed, and what it says to do.
    pub fn failed(subject: &'static str, error: &impl Explain) -> Self {
        Self { subject, state: State::Bad, message: chain(error), advice: error.hint() }
    }

    /// A problem somebody made.
    pub fn problem(subject: &'static str, problem: &Problem) -> Self {
        Self::new(subject, State::Bad, problem.to_string())
    }
}

/// What the settings alone tell. `zone`: the variable `TZ`.
pub fn of_settings(settings: &Settings, zone: Option<&str>) -> Vec<Finding> {
    let mut found = vec![Finding::new("settings", State::Good, "they are right")];
    if let (Some(zone), false) = (zone, settings.defaults.contains_key("timezone")) {
        found.push(
            Finding::new("clock", State::Doubtful, format!("TZ={zone} is set, and is not used"))
                .advice(format!("schedules go by UTC; set `defaults.timezone={zone}`")),
        );
    }
    let encryption = &settings.encryption;
    let lone = |keys: &Vec<String>| {
        Recipients::read(keys).is_ok_and(|keys| keys.fingerprints().len() == 1)
    };
    found.push(match encryption.recipients.len() {
        0 if encryption.passphrase.is_some() => {
            let message = "archives are encrypted with a passphrase, which this host knows";
            Finding::new("keys", State::Doubtful, message).advice(
                "whoever breaks into it can read them: prefer `encryption.recipients`; and have the \
                 passphrase written down elsewhere",
            )
        }
        0 if encryption.groups.values().any(lone) => {
            Finding::new("keys", State::Doubtful, LONE_KEY.0).advice(LONE_KEY.1)
        }
        0 => Finding::new("keys", State::Doubtful, "archives are not encrypted")
            .advice("set `encryption.recipients` to public keys; `ringbolt keygen` makes one"),
        _ if lone(&encryption.recipients) => {
            Finding::new("keys", State::Doubtful, LONE_KEY.0).advice(LONE_KEY.1)
        }
        many => Finding::new("keys", State::Good, format!("{many} recipients can decrypt")),
    });
    found
}

/// Which recipient's certificate has ended, or is about to: nothing is encrypted to it then.
pub fn certificates(settings: &Settings, now: Timestamp) -> Vec<Finding> {
    let encryption = &settings.encryption;
    let all = encryption.groups.values().chain([&encryption.recipients]);
    let first = |keys: &Vec<String>| Recipients::read(keys).ok()?.until();
    let ends: BTreeSet<(String, Timestamp)> = all.filter_map(first).collect();
    let soon = ends.into_iter().filter(|(_, until)| until.duration_since(now) < EXPIRES_SOON);
    soon.map(|(fingerprint, until)| {
        let day = until.strftime("%Y-%m-%d");
        let message = format!("the certificate `{fingerprint}` ends on {day}, and backups with it");
        let advice = "have its owner extend it (`gpg --quick-set-expire`) and export it again";
        let state = if until <= now { State::Bad } else { State::Doubtful };
        Finding::new("keys", state, message).advice(advice)
    })
    .collect()
}

/// Whether the identities that are known here belong to those who shall decrypt. That none is known
/// is as it should be on a host that only writes.
pub fn keys(settings: &Settings, identities: &Identities) -> Vec<Finding> {
    // A passphrase is told of already.
    if settings.encryption.identity.is_none() {
        return Vec::new();
    }
    let unknown = settings.encryption.recipients.iter().filter_map(|key| {
        let own = Recipients::read(std::slice::from_ref(key)).ok()?.fingerprints();
        let shown = if is_certificate(key) { own.join("`, `") } else { key.clone() };
        identities.check(&own).is_err().then_some(shown)
    });
    let mut found: Vec<Finding> = unknown
        .map(|key| {
            let message = format!("recipient `{key}` has no identity that is known here");
            Finding::new("keys", State::Doubtful, message).advice(
                "make sure that somebody holds it: try `ringbolt cat ARCHIVE --identity FILE`",
            )
        })
        .collect();
    let message = "this host holds an identity: whoever breaks into it can read the archives";
    found.push(
        Finding::new("keys", State::Doubtful, message)
            .advice("backups need none: take `encryption.identity` away, and keep it elsewhere"),
    );
    found
}

/// Variables that another tool was set up with. They do nothing here, and somebody may think they do.
pub fn renamed(environment: &[(OsString, OsString)]) -> Vec<Finding> {
    let set = environment.iter().filter_map(|(name, _)| name.to_str());
    let mut found = Vec::new();
    for name in set.filter(|name| name.starts_with("BT_")) {
        let row = BT_VARIABLES.iter().find(|row| match row.theirs.ends_with('_') {
            true => name.starts_with(row.theirs),
            false => name == row.theirs,
        });
        let message = format!("{name} is baktainer's, and does nothing here");
        let finding = Finding::new("settings", State::Doubtful, message);
        found.push(match row {
            None => finding.advice("Ringbolt has nothing like it"),
            Some(Renamed { ours: Some(ours), about, .. }) if settings::knows(ours) => {
                finding.advice(format!("it is `{ours}` now. {about}"))
            }
            Some(Renamed { ours: Some(ours), about, .. }) => {
                finding.advice(format!("`{ours}` is not in this version. {about}"))
            }
            Some(Renamed { ours: None, about, .. }) => finding.advice(*about),
        });
    }
    found.sort_by(|a, b| a.message.cmp(&b.message));
    found
}

/// What the way to Docker tells before anybody is asked.
pub fn way(settings: &DockerSettings, now: Timestamp) -> Vec<Finding> {
    let host = &settings.host;
    let endpoint = match host {
        DockerHost::Socket(path) => return socket(path),
        DockerHost::Network { .. } if settings.is_encrypted() => Endpoint::read(settings),
        DockerHost::Network { .. } => {
            let message = format!("{host} is reached over the network without encryption");
            let advice = "whoever is on that network is root on the Docker host; a proxy in the \
                          same Compose network is fine";
            return vec![Finding::new("docker", State::Doubtful, message).advice(advice)];
        }
    };
    match endpoint.as_ref().map(Endpoint::certificate) {
        Ok(Some(own)) => {
            let advice = "renew it: set `docker.tls.cert` and `docker.tls.key` to the new one";
            vec![valid(&format!("{host} is reached through TLS, as"), own, now, advice)]
        }
        Ok(None) => {
            let message = format!("{host} is reached through TLS, without a client certificate");
            let advice = "if the engine demands none, whoever can reach it is root there: start it \
                          with `--tlsverify`";
            vec![Finding::new("docker", State::Doubtful, message).advice(advice)]
        }
        // That they cannot be used is told by the connection.
        Err(_) => Vec::new(),
    }
}

/// Who a certificate is for, and until when: in time, a new one is no hurry.
fn valid(before: &str, certificate: &Certificate, now: Timestamp, advice: &str) -> Finding {
    let Certificate { subject, until } = certificate;
    let message = format!("{before} {subject}, whose certificate is valid until {until}");
    match until.duration_since(now) < EXPIRES_SOON {
        true => Finding::new("docker", State::Doubtful, message).advice(advice),
        false => Finding::new("docker", State::Good, message),
    }
}

fn socket(path: &Path) -> Vec<Finding> {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

    let shown = path.display();
    match std::fs::metadata(path) {
        // That it is missing is told by the connection.
        Err(_) => Vec::new(),
        Ok(socket) if !socket.file_type().is_socket() => {
            let advice = "Docker makes a folder where it is to mount a socket that is not there";
            vec![Finding::new("docker", State::Bad, format!("{shown} is no socket")).advice(advice)]
        }
        Ok(socket) if socket.permissions().mode() & 0o002 != 0 => {
            let message = format!("{shown} may be written by everybody on the host");
            vec![
                Finding::new("docker", State::Doubtful, message)
                    .advice(format!("whoever can use it is root: `chmod o-rwx {shown}`")),
            ]
        }
        Ok(_) => Vec::new(),
    }
}

/// What Docker tells.
///
/// # Errors
/// [`JobError::Docker`] if it stops answering.
pub async fn docker(context: &Context, now: Timestamp) -> Result<Vec<Finding>, JobError> {
    let api = context.docker.api_version();
    let mut found = Vec::new();
    if let Some(about) = context.docker.about().await? {
        let message = format!("{} {} answers, API {api}", about.name, about.version);
        found.push(Finding::new("docker", State::Good, message));
        found.extend(about.time.map(|time| clock(time, now)));
    } else {
        let message = format!("a proxy stands before Docker (API {api}) and keeps its name");
        let advice = "long dumps need long time limits: HAProxy (Tecnativa) cuts after 10 minutes, \
                      linuxserver's after 240 s of silence; raise `timeout client`, `timeout server` \
                      and `timeout tunnel`";
        found.push(Finding::new("docker", State::Doubtful, message).advice(advice));
    }
    if let Some(shown) = context.docker.certificate().await? {
        let advice = "renew the engine's certificate: without it nothing is backed up";
        found.push(valid("the engine is", &shown, now, advice));
    }
    if !context.docker.may_exec().await? {
        let message = "commands may not be started in containers";
        let advice = "a proxy before the socket must allow CONTAINERS, EXEC and POST";
        found.push(Finding::new("docker", State::Bad, message).advice(advice));
    }
    Ok(found)
}

fn clock(docker: Timestamp, now: Timestamp) -> Finding {
    let apart = now.duration_since(docker).unsigned_abs();
    if apart <= CLOCKS {
        return Finding::new("clock", State::Good, "it agrees with Docker's");
    }
    let message = format!("it is {} apart from Docker's", span(apart));
    let advice = "schedules, retention and freshness go by it: is NTP running on both machines?";
    Finding::new("clock", State::Bad, message).advice(advice)
}

/// What a store tells.
pub fn store(found: &StoreFinding) -> Vec<Finding> {
    let name = found.store.name();
    let probe = match &found.probed {
        Ok(probe) => probe,
        Err(error) => return vec![Finding::failed("store", error)],
    };
    let free = probe.free.map(|free| format!(", {} free", Bytes(free))).unwrap_or_default();
    let archives = found.catalogue.as_ref().map_or(0, |catalogue| catalogue.archives.len());
    let message = format!("{name} can be written, holds {archives} archives{free}");
    let mut findings = vec![Finding::new("store", State::Good, message)];
    if probe.passing {
        let message = format!("{name} lies in the container's own layer");
        let advice = "every archive is gone when the container is: mount a volume there";
        findings.push(Finding::new("store", State::Bad, message).advice(advice));
    }
    if let (Some(free), Some(total)) = (probe.free, probe.total)
        && free < total / 20
    {
        let message = format!("{name} has {} of {} left", Bytes(free), Bytes(total));
        let advice = "make room before the next backup fails";
        findings.push(Finding::new("disk", State::Doubtful, message).advice(advice));
    }
    for error in found.catalogue.iter().flat_map(|catalogue| &catalogue.unreadable) {
        findings.push(Finding::failed("store", error));
    }
    findings
}

/// What the labelled containers and their servers tell.
///
/// # Errors
/// [`JobError::Docker`] if they cannot be listed.
pub async fn sources(
    context: &Context,
    stores: &[StoreFinding],
    now: Timestamp,
) -> Result<Vec<Finding>, JobError> {
    let fleet = survey::fleet(context).await?;
    let mut found: Vec<Finding> =
        fleet.problems.iter().map(|problem| Finding::problem("labels", problem)).collect();
    if fleet.plans.is_empty() && fleet.problems.is_empty() {
        let prefix = &context.rules.prefix;
        let message = format!("no container is labelled `{prefix}.enable=true`");
        found.push(Finding::new("labels", State::Doubtful, message));
    }
    for finding in survey::ask(context, fleet.plans, stores, now).await {
        let source = &finding.plan.source;
        found.extend(finding.asked.iter().flat_map(|answer| leftovers(source, &answer.server)));
        found.push(match &finding.asked {
            Ok(answer) => {
                let message = format!("{source}: {} is there", answer.tool_version);
                Finding::new("tools", State::Good, message)
            }
            Err(error) => {
                let failed = Finding::failed("tools", error);
                Finding { message: format!("{source}: {}", failed.message), ..failed }
            }
        });
    }
    Ok(found)
}

/// What restores that were killed have left on a server.
fn leftovers(source: &Slug, server: &Server) -> impl Iterator<Item = Finding> {
    let names = server.databases.iter().map(|database| &database.name);
    names.filter(|name| restore::is_leftover(name)).map(move |name| {
        let message =
            format!("{source}: database `{name}` is of a restore that runs, or was killed");
        let advice =
            "the next restore into the database it was for removes it, if nobody is connected";
        Finding::new("restore", State::Doubtful, message).advice(advice)
    })
}

/// Databases that a killed restore had removed before it filled them anew.
pub fn unfinished(context: &Context) -> Vec<Finding> {
    let found = restore::unfinished(context).into_iter().map(|unfinished| {
        let restore::Unfinished { container, database, whole, safety } = unfinished;
        let ids: Vec<&str> = safety.iter().map(ArchiveId::as_str).collect();
        let message = format!(
            "database `{database}` of container {container} was being replaced by a restore that did not \
             end; what it held before is in archive {}",
            ids.join(", then in ")
        );
        let finding = Finding::new("restore", State::Bad, message);
        match safety.first() {
            Some(first) => {
                let line = restore::put_back(&container, &database, first, whole);
                finding.advice(format!("{line} with `--replace`, or restore another archive there"))
            }
            None => finding,
        }
    });
    found.collect()
}
