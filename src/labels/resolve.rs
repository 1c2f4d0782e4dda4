//! From labels to plans: reads each label by its row, asks the image and the container's own
//! environment for what labels leave open, and collects every problem on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use super::table::{self, Draft, LABELS, nearest};
use crate::engine::{self, Access, Engine};
use crate::model::{Codec, Plan, Problem, Schedule, SecretRef, Slug, Workload};

const STALL: Duration = Duration::from_mins(15);

/// All labelled workloads of a host.
#[derive(Debug, Default)]
pub struct Fleet {
    /// What can be backed up, by source name.
    pub plans: Vec<Plan>,
    /// What stands in the way. A workload with a problem has no plan: it is unprotected.
    pub problems: Vec<Problem>,
}

/// A workload that something is restored into.
#[derive(Debug)]
pub struct Target {
    pub engine: &'static dyn Engine,
    pub user: String,
    pub password: Option<SecretRef>,
}

impl Target {
    pub fn access(&self) -> Access<'_> {
        Access { user: &self.user, password: self.password.as_ref() }
    }
}

/// Resolves workloads to plans and problems. The result does not depend on the order of the
/// workloads: of two that claim one name, the one created first keeps it, unless only the other runs.
pub fn resolve(prefix: &Slug, mut workloads: Vec<Workload>) -> Fleet {
    workloads.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
    let mut fleet = Fleet::default();
    let mut owners: BTreeMap<Slug, String> = BTreeMap::new();
    let mut stopped: Vec<(Slug, String)> = Vec::new();
    for workload in workloads {
        let (container, running) = (workload.name.clone(), workload.running);
        let Some(Read { source, result }) = plan(prefix, workload) else { continue };
        let mut problems = Vec::new();
        // A stopped container leaves its name to one that runs: they may be old and new of the same.
        if let (Some(source), false) = (&source, running) {
            stopped.push((source.clone(), container));
        } else if let Some(source) = &source {
            match owners.get(source) {
                Some(owner) => {
                    let message = format!(
                        "resolves to the source name `{source}`, which container `{owner}` has already"
                    );
                    let suggestion = format!("{prefix}.name={source}-2");
                    problems.push(Problem::new(&container, message).suggest(Some(suggestion)));
                }
                None => drop(owners.insert(source.clone(), container)),
            }
        }
        match result {
            Ok(plan) if problems.is_empty() => fleet.plans.push(plan),
            Ok(_) => {}
            Err(own) => problems.extend(own),
        }
        fleet.problems.extend(problems);
    }
    for (source, container) in stopped {
        if let Some(owner) = owners.get(&source) {
            let message = format!(
                "its source name `{source}` has gone over to container `{owner}`, which runs: \
                 both write to one series of archives"
            );
            fleet.problems.push(Problem::new(&container, message));
        }
    }
    fleet.plans.sort_by(|a, b| a.source.cmp(&b.source));
    fleet
}

/// Resolves the workload of a restore: its labels count, but it needs none, and what is wrong with
/// labels that only concern backups does not stand in the way.
pub fn target(prefix: &Slug, workload: &Workload) -> Result<Target, Vec<Problem>> {
    let (draft, mut problems) = read(prefix, workload);
    let concerns = ["engine", "user", "password"].map(|key| format!("{prefix}.{key}"));
    problems.retain(|problem| problem.key.as_ref().is_some_and(|key| concerns.contains(key)));
    let engine = find_engine(&draft, workload, &mut problems);
    if !workload.running {
        problems.push(Problem::new(&workload.name, "is not running"));
    }
    match engine {
        Some(engine) if problems.is_empty() => {
            let defaults = engine.defaults(&workload.env);
            let (user, password) = (draft.user.unwrap_or(defaults.user), draft.password);
            Ok(Target { engine, user, password: password.or(defaults.password) })
        }
        _ => Err(problems),
    }
}

/// What one of our workloads resolves to.
struct Read {
    /// Its name, also if something else is wrong with it.
    source: Option<Slug>,
    result: Result<Plan, Vec<Problem>>,
}

/// `None`: the workload is not ours.
fn plan(prefix: &Slug, workload: Workload) -> Option<Read> {
    let labels = own_labels(prefix, &workload);
    let (draft, mut problems) = read(prefix, &workload);
    if labels.is_empty() || draft.enable == Some(false) {
        return None;
    }
    if !labels.contains_key("enable") {
        let message = "has labels of ours but is not enabled, so it is not backed up";
        let suggestion = format!("{prefix}.enable=true");
        problems.push(Problem::new(&workload.name, message).suggest(Some(suggestion)));
    }
    let engine = find_engine(&draft, &workload, &mut problems);
    let source = draft.name.clone().or_else(|| default_name(&workload, prefix, &mut problems));
    let format =
        engine.and_then(|engine| find_format(engine, prefix, &draft, &workload, &mut problems));
    if !workload.running {
        problems.push(Problem::new(&workload.name, "is not running, so it cannot be backed up"));
    }
    let (Some(engine), Some(name), Some(format), true) =
        (engine, source.clone(), format, problems.is_empty())
    else {
        return Some(Read { source, result: Err(problems) });
    };
    let defaults = engine.defaults(&workload.env);
    let plan = Plan {
        source: name,
        engine: engine.card().name,
        password: draft.password.or(defaults.password),
        user: draft.user.unwrap_or(defaults.user),
        databases: draft.databases.unwrap_or(defaults.databases),
        format,
        codec: draft.codec.unwrap_or(Codec::Zstd(3)),
        recipients: Vec::new(),
        schedule: draft.schedule.unwrap_or(Schedule::Manual),
        keep: draft.keep.unwrap_or_default(),
        timeout: draft.timeout,
        stall: draft.stall.unwrap_or(STALL),
        labels,
        workload,
    };
    Some(Read { source, result: Ok(plan) })
}

/// The workload's labels under our prefix, without it.
fn own_labels(prefix: &Slug, workload: &Workload) -> BTreeMap<String, String> {
    let own = |(key, value): (&String, &String)| {
        let key = key.strip_prefix(prefix.as_str())?.strip_prefix('.')?;
        Some((key.to_owned(), value.clone()))
    };
    workload.labels.iter().filter_map(own).collect()
}

fn read(prefix: &Slug, workload: &Workload) -> (Draft, Vec<Problem>) {
    let mut draft = Draft::default();
    let mut problems = Vec::new();
    for (key, value) in own_labels(prefix, workload) {
        let whole = format!("{prefix}.{key}");
        let Some(label) = LABELS.iter().find(|label| label.key == key) else {
            let near = nearest(&key, LABELS.iter().map(|label| label.key));
            problems.push(
                Problem::new(&workload.name, "there is no such label")
                    .key(whole)
                    .suggest(near.map(|near| format!("{prefix}.{near}"))),
            );
            continue;
        };
        if let Err(wrong) = table::read(label, &mut draft, &value) {
            let message = format!("{wrong}; expected {}", label.expects);
            let problem = Problem::new(&workload.name, message).key(whole);
            problems.push(if label.secret { problem } else { problem.value(value) });
        }
    }
    (draft, problems)
}

fn find_engine(
    draft: &Draft,
    workload: &Workload,
    problems: &mut Vec<Problem>,
) -> Option<&'static dyn Engine> {
    let found = draft.engine.or_else(|| engine::by_image(&workload.image));
    // A mistyped `engine` label is a problem already.
    let told = problems
        .iter()
        .any(|problem| problem.key.as_deref().is_some_and(|key| key.ends_with(".engine")));
    if found.is_none() && !told {
        let message = format!("its image `{}` does not tell its engine", workload.image);
        let suggestion = LABELS.iter().find(|label| label.key == "engine");
        problems.push(
            Problem::new(&workload.name, message)
                .suggest(suggestion.map(|label| format!("engine={}", label.examples[0]))),
        );
    }
    found
}

fn find_format(
    engine: &'static dyn Engine,
    prefix: &Slug,
    draft: &Draft,
    workload: &Workload,
    problems: &mut Vec<Problem>,
) -> Option<&'static str> {
    let formats = engine.card().formats;
    let Some(wanted) = &draft.format else { return formats.first().map(|format| format.name) };
    let found = formats.iter().find(|format| format.name == wanted);
    if found.is_none() {
        let names: Vec<String> = formats.iter().map(|f| format!("`{}`", f.name)).collect();
        let message = format!("expected {} for {}", names.join(" or "), engine.card().name);
        problems.push(
            Problem::new(&workload.name, message)
                .key(format!("{prefix}.format"))
                .value(wanted)
                .suggest(nearest(wanted, formats.iter().map(|format| format.name))),
        );
    }
    found.map(|format| format.name)
}

fn default_name(workload: &Workload, prefix: &Slug, problems: &mut Vec<Problem>) -> Option<Slug> {
    let name = workload.compose_name().unwrap_or_else(|| workload.name.clone());
    let told = problems
        .iter()
        .any(|problem| problem.key.as_deref().is_some_and(|key| key.ends_with(".name")));
    match name.parse() {
        Ok(name) => Some(name),
        Err(_) if told => None,
        Err(error) => {
            let message = format!("its name `{name}` is no source name: {error}");
            let suggestion = format!("{prefix}.name=…");
            problems.push(Problem::new(&workload.name, message).suggest(Some(suggestion)));
            None
        }
    }
}
