//! `history`: which runs and checks there were, which due times got none, and which alarms are open. Reads what
//! the sidecar remembers, and makes nothing where it has remembered nothing.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::printer::Printer;
use super::{CliError, Outcome};
use crate::app::App;
use crate::history::{self, Checked, Explained, History, HistoryError, OpenAlarm, RunRecord};
use crate::model::units::{self, Bytes};
use crate::model::{self, Level, Slug};

#[derive(Serialize)]
struct HistoryJson<'a> {
    runs: Vec<RunJson<'a>>,
    skipped: Vec<SkippedJson<'a>>,
    checks: Vec<CheckJson<'a>>,
    alarms: Vec<AlarmJson<'a>>,
}

#[derive(Serialize)]
struct RunJson<'a> {
    source: &'a str,
    schedule: Option<&'a str>,
    trigger: String,
    due_at: Option<Timestamp>,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
    /// `null`: it goes on, or its process ended and no sidecar has looked since.
    outcome: Option<String>,
    error: Option<&'a str>,
    warnings: &'a [String],
    archives: u32,
    stored_bytes: u64,
    plain_bytes: u64,
}

#[derive(Serialize)]
struct SkippedJson<'a> {
    source: &'a str,
    schedule: Option<&'a str>,
    due_at: Timestamp,
    why: &'a str,
}

/// A look of rolling verification at one archive.
#[derive(Serialize)]
struct CheckJson<'a> {
    source: &'a str,
    archive: &'a str,
    level: Level,
    started_at: Timestamp,
    finished_at: Timestamp,
    finding: String,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct AlarmJson<'a> {
    kind: String,
    subject: &'a str,
    raised_at: Timestamp,
    message: &'a str,
}

/// What there is to tell.
#[derive(Default)]
struct Told {
    /// The newest first.
    entries: Vec<Entry>,
    alarms: Vec<OpenAlarm>,
}

/// A run, a due time that got none, or a check.
enum Entry {
    Run(RunRecord),
    Skipped(Explained),
    Checked(Checked),
}

impl Entry {
    fn at(&self) -> Timestamp {
        match self {
            Self::Run(run) => run.started_at,
            Self::Skipped(skipped) => skipped.due_at,
            Self::Checked(checked) => checked.started_at,
        }
    }
}

impl<'a> From<&'a RunRecord> for RunJson<'a> {
    fn from(run: &'a RunRecord) -> Self {
        Self {
            source: run.source.as_str(),
            schedule: run.schedule.as_ref().map(Slug::as_str),
            trigger: run.trigger.to_string(),
            due_at: run.due_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
            outcome: run.outcome.map(|outcome| outcome.to_string()),
            error: run.error.as_deref(),
            warnings: &run.warnings,
            archives: run.archives,
            stored_bytes: run.stored_bytes,
            plain_bytes: run.plain_bytes,
        }
    }
}

impl<'a> From<&'a Explained> for SkippedJson<'a> {
    fn from(skipped: &'a Explained) -> Self {
        let Explained { source, schedule, due_at, why } = skipped;
        let schedule = schedule.as_ref().map(Slug::as_str);
        Self { source: source.as_str(), schedule, due_at: *due_at, why }
    }
}

impl<'a> From<&'a Checked> for CheckJson<'a> {
    fn from(checked: &'a Checked) -> Self {
        Self {
            source: checked.source.as_str(),
            archive: checked.archive.as_str(),
            level: checked.level,
            started_at: checked.started_at,
            finished_at: checked.finished_at,
            finding: checked.finding.to_string(),
            error: checked.error.as_deref(),
        }
    }
}

impl<'a> From<&'a OpenAlarm> for AlarmJson<'a> {
    fn from(open: &'a OpenAlarm) -> Self {
        let OpenAlarm { alarm, raised_at, message } = open;
        let kind = alarm.kind.to_string();
        Self { kind, subject: &alarm.subject, raised_at: *raised_at, message }
    }
}

pub(super) fn run(app: &App, printer: &Printer, sources: &[String], limit: usize) -> Outcome {
    let told = match history::look(&app.settings.data_dir)? {
        Some(history) => {
            // A century at most, which every calendar has room for.
            let since = Timestamp::now() - app.settings.history.keep;
            tell(&history, &named(&history, sources)?, limit, since)?
        }
        None => match sources.first() {
            Some(source) => return Err(CliError::NoSource(source.clone(), Vec::new())),
            None => Told::default(),
        },
    };
    match printer.json {
        true => printer.data(&json(&told))?,
        false => print(printer, &told)?,
    }
    Ok(Ok(()))
}

/// The sources that somebody means.
fn named(history: &History, sources: &[String]) -> Result<Vec<Slug>, CliError> {
    let known: Vec<Slug> = history.memory()?.into_keys().collect();
    let find = |name: &String| {
        let found = known.iter().find(|source| source.as_str() == name).cloned();
        let unknown = || {
            let known = known.iter().map(ToString::to_string).collect();
            CliError::NoSource(name.clone(), known)
        };
        found.ok_or_else(unknown)
    };
    // Named twice is told once.
    let named: BTreeSet<Slug> = sources.iter().map(find).collect::<Result<_, _>>()?;
    Ok(named.into_iter().collect())
}

/// Reads the newest runs, and the due times in between that got none. What the next pruning takes is
/// not told, but the newest run of each source is: it stays.
fn tell(
    history: &History,
    sources: &[Slug],
    limit: usize,
    since: Timestamp,
) -> Result<Told, HistoryError> {
    let mut entries = Vec::new();
    let every: Vec<Option<&Slug>> = match sources {
        [] => vec![None],
        some => some.iter().map(Some).collect(),
    };
    for of in every {
        entries.extend(history.runs(of, limit)?.into_iter().map(Entry::Run));
        entries.extend(history.explained(of, limit)?.into_iter().map(Entry::Skipped));
        entries.extend(history.checks(of, limit)?.into_iter().map(Entry::Checked));
    }
    entries.sort_by_key(|entry| Reverse(entry.at()));
    let mut newest = BTreeSet::new();
    entries.retain(|entry| {
        let stays = matches!(entry, Entry::Run(run) if newest.insert(run.source.clone()));
        stays || entry.at() >= since
    });
    entries.truncate(limit);
    let mut alarms = history.alarms()?;
    if !sources.is_empty() {
        alarms.retain(|open| sources.iter().any(|own| own.as_str() == open.alarm.subject));
    }
    Ok(Told { entries, alarms })
}

fn json(told: &Told) -> HistoryJson<'_> {
    let (mut runs, mut skipped, mut checks) = (Vec::new(), Vec::new(), Vec::new());
    for entry in &told.entries {
        match entry {
            Entry::Run(run) => runs.push(run.into()),
            Entry::Skipped(own) => skipped.push(own.into()),
            Entry::Checked(own) => checks.push(own.into()),
        }
    }
    HistoryJson { runs, skipped, checks, alarms: told.alarms.iter().map(Into::into).collect() }
}

fn print(printer: &Printer, told: &Told) -> Result<(), CliError> {
    let head = ["STARTED", "SOURCE", "TRIGGER", "OUTCOME", "TOOK", "STORED", "WHY"];
    printer.table(head, told.entries.iter().map(row).collect())?;
    if !told.alarms.is_empty() {
        printer.line("")?;
        let row = |open: &OpenAlarm| {
            let OpenAlarm { alarm, raised_at, message } = open;
            [when(*raised_at), alarm.kind.to_string(), line(&alarm.subject), line(message)]
        };
        let rows = told.alarms.iter().map(row).collect();
        printer.table(["SINCE", "ALARM", "OF", "MESSAGE"], rows)?;
    }
    Ok(())
}

fn row(entry: &Entry) -> [String; 7] {
    match entry {
        Entry::Run(run) => run_row(run),
        Entry::Skipped(skipped) => {
            let (at, source) = (when(skipped.due_at), skipped.source.to_string());
            let [trigger, outcome, none] = ["schedule", "skipped", "-"].map(str::to_owned);
            [at, source, trigger, outcome, none.clone(), none, line(&skipped.why)]
        }
        Entry::Checked(checked) => check_row(checked),
    }
}

fn check_row(checked: &Checked) -> [String; 7] {
    let took = checked.finished_at.duration_since(checked.started_at).try_into();
    let error = checked.error.as_ref().map(|error| format!(": {error}"));
    let why = format!("{} ({}){}", checked.archive, checked.level, error.unwrap_or_default());
    [
        when(checked.started_at),
        checked.source.to_string(),
        "verify".to_owned(),
        checked.finding.to_string(),
        took.map_or("-".to_owned(), units::span),
        "-".to_owned(),
        line(&why),
    ]
}

fn run_row(run: &RunRecord) -> [String; 7] {
    // When an interrupted run really ended, nobody saw.
    let seen = run.outcome != Some(model::Outcome::Interrupted);
    let took = run.finished_at.filter(|_| seen).map(|at| at.duration_since(run.started_at));
    let took = took.and_then(|took| took.try_into().ok()).map(units::span);
    let stored = (run.archives > 0).then(|| Bytes(run.stored_bytes).to_string());
    let warning = |text: &String| format!("warning: {text}");
    let why: Vec<String> =
        run.error.iter().cloned().chain(run.warnings.iter().map(warning)).collect();
    [
        when(run.started_at),
        run.source.to_string(),
        run.trigger.to_string(),
        run.outcome.map_or("unfinished".to_owned(), |outcome| outcome.to_string()),
        took.unwrap_or("-".to_owned()),
        stored.unwrap_or("-".to_owned()),
        line(&why.join("; ")),
    ]
}

/// A time to the second.
fn when(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A text on one line: what a server says may have several.
fn line(text: &str) -> String {
    let words = text.replace(char::is_control, " ");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
