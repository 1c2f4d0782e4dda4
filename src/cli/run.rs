//! `run`: the sidecar, until somebody asks it to stop. What it does is told line by line.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{Timestamp, Unit};
use tokio::sync::watch;

use super::printer::Printer;
use super::{CliError, Outcome, keys, progress};
use crate::app::App;
use crate::history::Checked;
use crate::job::backup::Report;
use crate::job::{Context, JobError};
use crate::model::units::{Bytes, span};
use crate::model::{self, Explain as _, Finding, Level, Problem, chain};
use crate::pipeline::Identities;
use crate::settings::{Effective, Written};
use crate::sidecar::{self, Connect, Parts, Reload, Reloaded, Rhythm, Told};
use crate::transport::Stop;

/// Keys whose new values count when the sidecar is started anew.
const KEPT: [&str; 4] = ["docker.", "data_dir", "history.", "schedule.grace"];

pub(super) async fn run(app: App, written: Written, printer: &Printer, stop: Stop) -> Outcome {
    let (hangup, hangups) = watch::channel(0_u64);
    let mut signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    let listening = async move {
        while signal.recv().await.is_some() {
            hangup.send_modify(|times| *times += 1);
        }
    };
    let rhythm = Rhythm::new(&app.settings, app.blackout.clone());
    let grace = app.settings.schedule.grace;
    let (data_dir, keep) = (app.settings.data_dir.clone(), app.settings.history.keep);
    let stores = app.stores.clone();
    let lines = printer.lines();
    lines.say(&format!("ringbolt {} begins", env!("CARGO_PKG_VERSION")));
    let identities = identities(&app)?;
    // The newest settings that were right.
    let current = Arc::new(Mutex::new((app, identities)));
    let parts = Parts {
        connect: connect(current.clone(), lines),
        reload: reload(current, written),
        rhythm,
        data_dir,
        keep,
        stores,
        grace,
        stop,
        hangups,
        tell: Arc::new(move |told| tell(lines, &told)),
    };
    tokio::select! {
        lived = sidecar::live(parts) => lived?,
        () = listening => {}
        reaped = sidecar::reap() => reaped.map_err(CliError::Print)?,
    }
    lines.say("ringbolt ends");
    Ok(Ok(()))
}

/// What settings say, and the keys that they name.
type Current = Arc<Mutex<(App, Identities)>>;

/// The keys that archives are verified with. A sidecar that needs none does not read any.
fn identities(app: &App) -> Result<Identities, keys::KeyError> {
    match app.settings.verify.level {
        Level::Stored => Ok(Identities::default()),
        _ => keys::read(app, &[]),
    }
}

fn connect(current: Current, lines: Printer) -> Connect {
    let watcher = progress::watcher(lines);
    Arc::new(move || {
        let (app, identities) = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let watcher = watcher.clone();
        Box::pin(async move {
            // Each run has a stop of its own.
            let context = app.connect(Stop::never(), watcher).await?;
            Ok(Context { identities, ..context })
        })
    })
}

fn reload(current: Current, written: Written) -> Reload {
    let at_start = current.lock().unwrap_or_else(PoisonError::into_inner).0.settings.effective();
    Arc::new(move || {
        let mut new = App::open(&written)?;
        let identities = identities(&new).map_err(|error| {
            let (key, message) = ("encryption.identity", chain(&error));
            vec![Problem::new(&new.settings.origin(key), message).key(key)]
        })?;
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        let (current, known) = &mut *current;
        let (before, after) = (current.settings.effective(), new.settings.effective());
        let needs_restart = |key: &String| KEPT.iter().any(|begin| key.starts_with(begin));
        let mut applied = changed(&before, &after);
        applied.retain(|key| !needs_restart(key));
        // Told for as long as it is so, not only once.
        let mut kept = changed(&at_start, &after);
        kept.retain(needs_restart);
        new.settings.docker = current.settings.docker.clone();
        (*current, *known) = (new, identities);
        let rhythm = Rhythm::new(&current.settings, current.blackout.clone());
        Ok(Reloaded { rhythm, applied, kept })
    })
}

/// The keys whose value or origin differs.
fn changed(before: &[Effective], after: &[Effective]) -> Vec<String> {
    let new = after.iter().filter(|one| !before.contains(one));
    let gone = before.iter().filter(|one| !after.iter().any(|other| other.key == one.key));
    let keys: BTreeSet<&String> = new.chain(gone).map(|one| &one.key).collect();
    keys.into_iter().cloned().collect()
}

fn tell(lines: Printer, told: &Told) {
    match told {
        Told::Found { sources, unprotected } => {
            let unprotected = match unprotected {
                0 => String::new(),
                some => format!(", {some} labelled but UNPROTECTED"),
            };
            let sources = model::units::count(*sources as u64, "source");
            lines.say(&format!("found {sources}{unprotected}"));
        }
        Told::HistoryAside(aside) => lines.fault(&format!(
            "the history could not be read: it lies in {} now, and is made anew from the stores",
            aside.display()
        )),
        Told::HistoryFailed(error) => lines.error(error),
        Told::ArchivesUnread(error) => lines.error(error),
        Told::Interrupted(source) => {
            lines
                .say(&format!("{source} was interrupted when the sidecar ended, and is due again"));
        }
        Told::DockerLost(error) => {
            lines.fault(&format!("Docker is lost, and is tried again: {}", chain(error)));
            if let Some(hint) = error.hint() {
                lines.hint(&hint);
            }
        }
        Told::DockerFound => lines.say("Docker is there again"),
        Told::Began { source, trigger } => lines.say(&format!("{source} begins ({trigger})")),
        Told::Ended(report) => ended(lines, report),
        Told::Explained { source, due_at, why } => {
            lines.say(&format!("{source} was due at {due_at}: {why}"));
        }
        Told::Checked(checked) => {
            let Checked { source, archive, level, finding, error, .. } = checked;
            let error = error.as_deref().unwrap_or_default();
            match finding {
                Finding::Proven => lines.say(&format!("{source} {archive} verified ({level})")),
                Finding::Broken => lines.fault(&format!("{source} {archive} is BROKEN: {error}")),
                Finding::Unread => {
                    lines.fault(&format!("{source} {archive} could not be verified: {error}"));
                }
            }
        }
        Told::VerifyingPaused { left } => {
            let left = model::units::count(*left as u64, "archive");
            lines.say(&format!("verification made room, {left} left for later"));
        }
        Told::VerifyingFailed(error) => lines.error(error),
        Told::Raised { alarm, message } => {
            lines.fault(&format!("ALARM {} {}: {message}", alarm.kind, alarm.subject));
        }
        Told::Cleared(alarm) => {
            lines.say(&format!("alarm ends: {} {}", alarm.kind, alarm.subject));
        }
        Told::Reloaded(Reloaded { applied, kept, .. }) => {
            let list = |keys: &[String]| match keys {
                [] => "nothing".to_owned(),
                keys => keys.join(", "),
            };
            lines.say(&format!("settings read again: applied {}", list(applied)));
            if !kept.is_empty() {
                lines.fault(&format!("these need a restart: {}", list(kept)));
            }
        }
        Told::NotReloaded(problems) => {
            for problem in problems {
                lines.problem(problem);
            }
            lines.fault("the settings are wrong, and stay as they were");
        }
        Told::Stopping { running: 0 } => lines.say("asked to stop"),
        Told::Stopping { running } => {
            let running = model::units::count(*running as u64, "run");
            lines.say(&format!("asked to stop: {running} may end within the grace period"));
        }
    }
}

fn ended(lines: Printer, report: &Report) {
    for (part, error) in &report.failures {
        let place = part.as_ref().map(|part| format!("/{part}")).unwrap_or_default();
        lines.fault(&format!("{}{place}: {}", report.source, chain(error)));
        if let Some(hint) = JobError::hint(error) {
            lines.hint(&hint);
        }
    }
    for (part, error) in &report.undrilled {
        let place = part.as_ref().map(|part| format!("/{part}")).unwrap_or_default();
        lines.fault(&format!("{}{place} was not drilled: {}", report.source, chain(error)));
        if let Some(hint) = JobError::hint(error) {
            lines.hint(&hint);
        }
    }
    let began = report.archives.iter().map(|manifest| manifest.started_at).min();
    let took = began.map(|began| Timestamp::now().duration_since(began).unsigned_abs());
    let took = took.map(|took| format!(" in {}", span(took))).unwrap_or_default();
    let archives = model::units::count(report.archives.len() as u64, "archive");
    lines.say(&format!(
        "{} {}: {archives}, {}{took}",
        report.source,
        report.outcome(),
        Bytes(report.stored_bytes())
    ));
}

/// The time of a line.
pub(super) fn stamp() -> String {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now).to_string()
}
