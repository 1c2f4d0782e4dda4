//! Reading: one workload's labels, row by row, into what they say of each of its jobs. Image,
//! environment and the operator's stores are asked later, in `resolve.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::rows::LABELS;
use super::table::Label;
use super::values::{Encrypt, EngineChoice};
use super::{Rules, alias};
use crate::model::{
    Codec, Databases, DigestAt, Hold, Hooks, Keep, Level, Patterns, Priority, Problem, Schedule,
    SecretRef, Slug, Workload, nearest,
};
use crate::settings::Policy;

/// The longest value of any label.
const LONGEST: usize = 4096;

/// What labels say of one job, before image, environment and the operator's offers are asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    pub(super) enable: Option<bool>,
    pub(super) engine: Option<EngineChoice>,
    pub(super) name: Option<Slug>,
    pub(super) databases: Option<Databases>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretRef>,
    pub(super) path: Vec<String>,
    pub(super) patterns: Patterns,
    pub(super) format: Option<String>,
    pub(super) codec: Option<Codec>,
    pub(super) digest_at: Option<DigestAt>,
    pub(super) encrypt: Option<Encrypt>,
    pub(super) verify: Option<Level>,
    pub(super) checksums: Option<bool>,
    pub(super) stores: Option<Vec<Slug>>,
    pub(super) schedules: BTreeMap<Option<Slug>, Schedule>,
    pub(super) zone: Option<TimeZone>,
    pub(super) keep: Option<Keep>,
    pub(super) rpo: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) stall: Option<Duration>,
    pub(super) priority: Option<Priority>,
    pub(super) after: BTreeSet<Slug>,
    pub(super) hooks: Hooks,
    pub(super) hold: Option<Hold>,
}

impl Draft {
    /// What it says that means something to some engines only, as written; a password by its
    /// reference alone.
    pub(super) fn specific(&self) -> Vec<(&'static str, String)> {
        let Patterns { include, exclude, exclude_data } = &self.patterns;
        let list = |items: &[String]| (!items.is_empty()).then(|| items.join(","));
        let said = [
            ("databases", self.databases.as_ref().map(ToString::to_string)),
            ("user", self.user.clone()),
            ("password", self.password.as_ref().map(ToString::to_string)),
            ("path", list(&self.path)),
            ("include", list(include)),
            ("exclude", list(exclude)),
            ("exclude-data", list(exclude_data)),
            ("hold", self.hold.as_ref().map(ToString::to_string)),
        ];
        said.into_iter().filter_map(|(key, said)| Some((key, said?))).collect()
    }
}

/// One job of a workload, as its labels say it.
#[derive(Debug)]
pub(super) struct Job {
    /// `None`: the workload's own; else one of `job.<id>.…`.
    pub(super) id: Option<Slug>,
    pub(super) draft: Draft,
    /// The labels that made it, by key without prefix and job.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) problems: Vec<Problem>,
}

/// One label, as written and as it is read.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The whole key, for messages.
    pub(super) written: String,
    /// The key of the table, perhaps with an id behind it.
    pub(super) key: String,
    pub(super) value: String,
}

/// Reads all jobs of a workload. `None`: it has no label of ours.
pub(super) fn jobs(rules: &Rules, workload: &Workload) -> Option<Vec<Job>> {
    let entries = own_entries(rules, workload);
    if entries.is_empty() {
        return None;
    }
    let (entries, mut unread) = alias::resolve(rules, workload, entries);
    let mut own = Vec::new();
    let mut further: BTreeMap<Slug, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        let job = entry.key.strip_prefix("job.").and_then(|rest| rest.split_once('.'));
        match job.map(|(id, key)| (id.parse::<Slug>(), key.to_owned())) {
            None => own.push(entry),
            Some((Ok(id), key)) => further.entry(id).or_default().push(Entry { key, ..entry }),
            Some((Err(error), _)) => {
                let suggestion = format!("{}.job.nightly.schedule", rules.prefix);
                let message = format!("its job has no name: {error}");
                let problem = Problem::new(&workload.name, message).key(&entry.written);
                unread.push(problem.suggest(Some(suggestion)));
            }
        }
    }
    let mut main = read(rules, workload, &rules.defaults, own);
    main.problems.extend(unread);
    let further = further.into_iter().map(|(id, entries)| {
        // What a job inherits is everything but the name, which is its own.
        let inherited = Draft { name: None, ..main.draft.clone() };
        let mut job = read(rules, workload, &inherited, entries);
        let mut labels = main.labels.clone();
        labels.remove("name");
        labels.append(&mut job.labels);
        Job { id: Some(id), labels, ..job }
    });
    let further: Vec<Job> = further.collect();
    Some(std::iter::once(main).chain(further).collect())
}

/// The labels under our prefix.
fn own_entries(rules: &Rules, workload: &Workload) -> Vec<Entry> {
    let own = |(written, value): (&String, &String)| {
        let key = written.strip_prefix(rules.prefix.as_str())?.strip_prefix('.')?;
        Some(Entry { written: written.clone(), key: key.to_owned(), value: value.clone() })
    };
    workload.labels.iter().filter_map(own).collect()
}

/// Reads labels over what is said already.
fn read(rules: &Rules, workload: &Workload, over: &Draft, entries: Vec<Entry>) -> Job {
    let mut job =
        Job { id: None, draft: over.clone(), labels: BTreeMap::new(), problems: Vec::new() };
    // Schedules replace those that are inherited; they do not come on top of them.
    if entries.iter().any(|entry| entry.key.split('.').next() == Some("schedule")) {
        job.draft.schedules.clear();
    }
    for entry in entries {
        let Some((label, id)) = find(&entry.key) else {
            job.problems.push(unknown(rules, workload, &entry));
            continue;
        };
        if rules.policy.refuse.contains(label.key) {
            let message = "the operator's policy (`labels.policy.refuse`) lets no label say this";
            job.problems.push(Problem::new(&workload.name, message).key(&entry.written));
            continue;
        }
        let reading = match id {
            None => read_value(label, &mut job.draft, &entry.value, &rules.policy),
            Some(id) => read_named(label, &mut job.draft, id, &entry.value, &rules.policy),
        };
        match reading {
            Ok(()) => {
                let value = match label.secret {
                    // Only a reference may be seen; a literal is told by its place alone.
                    true => job.draft.password.as_ref().map_or(String::new(), ToString::to_string),
                    false => entry.value,
                };
                job.labels.insert(entry.key, value);
            }
            Err(wrong) => {
                let message = format!("{wrong}; expected {}", label.expects);
                let problem = Problem::new(&workload.name, message)
                    .key(&entry.written)
                    .see(format!("`ringbolt labels explain {}`", label.key));
                job.problems.push(match label.secret {
                    true => problem,
                    false => problem.value(entry.value),
                });
            }
        }
    }
    job
}

/// The row of a key; `schedule.<id>` is the row `schedule` with an id.
fn find(key: &str) -> Option<(&'static Label, Option<&str>)> {
    let row = |wanted: &str| LABELS.iter().find(|label| label.key == wanted);
    let named = || Some((row("schedule")?, Some(key.strip_prefix("schedule.")?)));
    row(key).map(|label| (label, None)).or_else(named)
}

/// Reads one value. Text that no label may hold is refused for all of them here.
pub(super) fn read_value(
    label: &Label,
    draft: &mut Draft,
    value: &str,
    policy: &Policy,
) -> Result<(), String> {
    if value.len() > LONGEST {
        return Err(format!("it is {} bytes long", value.len()));
    }
    if value.chars().any(char::is_control) {
        return Err("it holds a control character".to_owned());
    }
    (label.read)(draft, value, policy)
}

/// Reads one of several schedules: the row's value, under an id.
fn read_named(
    label: &Label,
    draft: &mut Draft,
    id: &str,
    value: &str,
    policy: &Policy,
) -> Result<(), String> {
    let id: Slug = id.parse().map_err(|error| format!("`{id}` is no id: {error}"))?;
    let mut own = Draft::default();
    read_value(label, &mut own, value, policy)?;
    draft
        .schedules
        .extend(own.schedules.into_values().map(|schedule| (Some(id.clone()), schedule)));
    Ok(())
}

fn unknown(rules: &Rules, workload: &Workload, entry: &Entry) -> Problem {
    let before = entry.written.strip_suffix(&entry.key).unwrap_or(rules.prefix.as_str());
    let near = nearest(&entry.key, LABELS.iter().map(|label| label.key));
    Problem::new(&workload.name, "there is no such label")
        .key(&entry.written)
        .suggest(near.map(|near| format!("{before}{near}")))
        .see("`ringbolt labels`")
}
