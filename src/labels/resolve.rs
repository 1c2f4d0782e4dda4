//! From labels to plans: asks the image, the container's own environment and the operator's rules for
//! what labels leave open, and collects every problem on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::Rules;
use super::order::{check_names, check_order, in_order};
use super::read::{Draft, Job, jobs};
use super::rows::LABELS;
use super::values::{self, Encrypt, EngineChoice};
use crate::engine::{self, Access, Engine, custom};
use crate::model::{
    Codec, Level, PASSPHRASE, Plan, Problem, Schedule, SecretRef, Slug, Workload, is_certificate,
    nearest,
};

const STALL: Duration = Duration::from_mins(15);

/// All labelled workloads of a host.
#[derive(Debug, Default)]
pub struct Fleet {
    /// What can be backed up: by priority, and after what it waits for.
    pub plans: Vec<Plan>,
    /// What stands in the way. A source with a problem has no plan: it is unprotected.
    pub problems: Vec<Problem>,
    /// Containers with labels of ours and no plan.
    pub unprotected: Vec<String>,
    /// The runtime's ids of all workloads that run, whatever is wrong with their labels.
    pub alive: Vec<String>,
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
        Access { user: &self.user, password: self.password.as_ref(), paths: &[] }
    }
}

/// What one job resolves to.
pub(super) struct Candidate {
    pub(super) container: String,
    pub(super) running: bool,
    /// Its name, also if something else is wrong with it.
    pub(super) source: Option<Slug>,
    pub(super) plan: Option<Plan>,
    pub(super) problems: Vec<Problem>,
}

/// Resolves workloads to plans and problems. The result does not depend on the order of the
/// workloads: of two that claim one name, the one created first keeps it, unless only the other runs.
pub fn resolve(rules: &Rules, mut workloads: Vec<Workload>) -> Fleet {
    workloads.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
    let alive = workloads.iter().filter(|workload| workload.running);
    let alive = alive.map(|workload| workload.id.clone()).collect();
    let found = workloads.iter().flat_map(|workload| candidates(rules, workload));
    let mut candidates: Vec<Candidate> = found.collect();
    for fixed in &rules.fixed {
        match fixed.labelled(rules, &workloads) {
            Ok((rules, workload)) => candidates.extend(self::candidates(&rules, &workload)),
            Err(problem) => candidates.push(Candidate {
                container: fixed.container().to_owned(),
                running: false,
                source: None,
                plan: None,
                problems: vec![*problem],
            }),
        }
    }
    check_names(rules, &mut candidates);
    check_order(rules, &mut candidates);
    let mut fleet = Fleet { alive, ..Fleet::default() };
    let mut unprotected = BTreeSet::new();
    for candidate in candidates {
        match candidate.plan {
            Some(plan) if candidate.problems.is_empty() => fleet.plans.push(plan),
            _ => drop(unprotected.insert(candidate.container)),
        }
        fleet.problems.extend(candidate.problems);
    }
    fleet.unprotected = unprotected.into_iter().collect();
    fleet.plans = in_order(fleet.plans);
    fleet
}

/// Resolves the workload of a restore: its labels count, but it needs none, and what is wrong with
/// labels that only concern backups does not stand in the way.
pub fn target(rules: &Rules, workload: &Workload) -> Result<Target, Vec<Problem>> {
    let main = jobs(rules, workload).and_then(|jobs| jobs.into_iter().next());
    let (draft, mut problems) = main.map(|job| (job.draft, job.problems)).unwrap_or_default();
    let concerns = ["engine", "user", "password"].map(|key| format!("{}.{key}", rules.prefix));
    problems.retain(|problem| problem.key.as_ref().is_some_and(|key| concerns.contains(key)));
    let engine = find_engine(rules, &draft, workload, &mut problems);
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

/// Resolves the jobs of one workload. None: it is not ours.
fn candidates(rules: &Rules, workload: &Workload) -> Vec<Candidate> {
    let mut jobs = jobs(rules, workload).unwrap_or_default().into_iter();
    let Some(main) = jobs.next().filter(|main| main.draft.enable != Some(false)) else {
        return Vec::new();
    };
    let enabled = main.draft.enable.is_some() || told(&main.problems, rules, "enable");
    let own = main.draft.name.as_ref().map(ToString::to_string);
    let name = own.or_else(|| workload.compose_name()).unwrap_or_else(|| workload.name.clone());
    let mut main = candidate(rules, workload, main, &name);
    if !enabled {
        let message = "has labels of ours but is not enabled, so it is not backed up";
        let suggestion = format!("{}.enable=true", rules.prefix);
        main.problems.push(Problem::new(&workload.name, message).suggest(Some(suggestion)));
    }
    if !workload.running {
        let message = "is not running, so it cannot be backed up";
        main.problems.push(Problem::new(&workload.name, message));
    }
    let inherited = !main.problems.is_empty();
    let mut found = vec![main];
    for job in jobs.filter(|job| job.draft.enable != Some(false)) {
        let mut problems = job.problems.clone();
        let mut further = match inherited {
            // What is wrong with the workload is told once; what is wrong with the job, too.
            true => Candidate {
                plan: None,
                problems: Vec::new(),
                ..candidate(rules, workload, job, &name)
            },
            false => candidate(rules, workload, job, &name),
        };
        if inherited {
            further.problems.append(&mut problems);
        }
        found.push(further);
    }
    found
}

/// `name`: that of the workload's own job.
fn candidate(rules: &Rules, workload: &Workload, job: Job, name: &str) -> Candidate {
    let Job { id, draft, labels, mut problems } = job;
    let name = id.map_or(name.to_owned(), |id| format!("{name}-{id}"));
    let source = draft.name.clone().or_else(|| default_name(rules, workload, &name, &mut problems));
    let plan = plan(rules, workload, draft, source.clone(), labels, &mut problems);
    let (container, running) = (workload.name.clone(), workload.running);
    Candidate { container, running, source, plan, problems }
}

fn plan(
    rules: &Rules,
    workload: &Workload,
    draft: Draft,
    source: Option<Slug>,
    labels: BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Option<Plan> {
    let engine = find_engine(rules, &draft, workload, problems);
    let format = engine.and_then(|engine| find_format(rules, engine, &draft, workload, problems));
    if let Some(engine) = engine {
        check_abilities(rules, engine, &draft, workload, problems);
    }
    let verify = engine.map(|engine| find_level(rules, engine, &draft, workload, problems));
    let store = find_store(rules, &draft, workload, problems);
    let recipients = find_recipients(rules, &draft, workload, problems);
    let (engine, source, format, store) = (engine?, source?, format?, store?);
    let verify = verify?;
    let defaults = engine.defaults(&workload.env);
    let daily = || BTreeMap::from([(None, Schedule::Cron("@daily".to_owned()))]);
    Some(Plan {
        source,
        workload: workload.clone(),
        engine: engine.card().name,
        password: draft.password.or(defaults.password),
        user: draft.user.unwrap_or(defaults.user),
        databases: draft.databases.unwrap_or(defaults.databases),
        paths: draft.path,
        patterns: draft.patterns,
        format,
        codec: draft.codec.unwrap_or(Codec::Zstd(3)),
        digest_at: draft.digest_at.unwrap_or_default(),
        recipients,
        verify,
        checksums: draft.checksums.unwrap_or(false),
        store,
        schedules: if draft.schedules.is_empty() { daily() } else { draft.schedules },
        zone: draft.zone.unwrap_or(TimeZone::UTC),
        keep: draft.keep.unwrap_or_default(),
        rpo: draft.rpo,
        timeout: draft.timeout.or(rules.policy.timeout),
        stall: draft.stall.unwrap_or(STALL),
        priority: draft.priority.unwrap_or_default(),
        after: draft.after,
        hooks: draft.hooks,
        hold: draft.hold,
        labels,
    })
}

/// Whether a problem with a label is told already.
fn told(problems: &[Problem], rules: &Rules, key: &str) -> bool {
    let key = format!("{}.{key}", rules.prefix);
    problems.iter().any(|problem| problem.key.as_ref() == Some(&key))
}

fn find_engine(
    rules: &Rules,
    draft: &Draft,
    workload: &Workload,
    problems: &mut Vec<Problem>,
) -> Option<&'static dyn Engine> {
    let found = match &draft.engine {
        None => engine::by_image(&workload.image),
        Some(EngineChoice::Ours(engine)) => Some(*engine),
        Some(EngineChoice::Custom(name)) => {
            let value = format!("{}{name}", custom::PREFIX);
            let found = rules.engine(&value);
            if found.is_none() {
                let message = format!("the operator defines no engine `{name}`");
                let near = nearest(name.as_str(), rules.engines.keys().map(Slug::as_str));
                let near = near.map(|near| format!("{}{near}", custom::PREFIX));
                problems.push(wrong(rules, workload, "engine", &value, message).suggest(near));
            }
            return found;
        }
    };
    if found.is_none() && !told(problems, rules, "engine") {
        let message = format!("its image `{}` does not tell its engine", workload.image);
        let suggestion = format!("{}.engine={}", rules.prefix, engine::names()[0]);
        problems.push(
            Problem::new(&workload.name, message)
                .suggest(Some(suggestion))
                .see("`ringbolt labels explain engine`"),
        );
    }
    found
}

fn find_format(
    rules: &Rules,
    engine: &'static dyn Engine,
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
        let near = nearest(wanted, formats.iter().map(|format| format.name));
        problems.push(wrong(rules, workload, "format", wanted, message).suggest(near));
    }
    found.map(|format| format.name)
}

/// What a label asks of an engine that it cannot do, or does not say though it must.
fn check_abilities(
    rules: &Rules,
    engine: &'static dyn Engine,
    draft: &Draft,
    workload: &Workload,
    problems: &mut Vec<Problem>,
) {
    let card = engine.card();
    let name = card.name;
    for (key, value) in draft.specific() {
        if !card.takes.contains(&key) {
            let message = format!("{name} takes no {key}");
            problems.push(wrong(rules, workload, key, &value, message));
        }
    }
    for key in card.needs {
        let said = draft.specific().iter().any(|(own, _)| own == key);
        if !said && !told(problems, rules, key) {
            let label = LABELS.iter().find(|label| label.key == *key);
            let example = label.and_then(|label| label.examples.first()).unwrap_or(&"…");
            let suggestion = format!("{}.{key}={example}", rules.prefix);
            let message = format!("{name} needs a `{key}`");
            problems.push(Problem::new(&workload.name, message).suggest(Some(suggestion)));
        }
    }
}

/// A drill of what cannot be drilled would be a promise that nobody keeps. What the operator says for all
/// means the most that can be done.
fn find_level(
    rules: &Rules,
    engine: &'static dyn Engine,
    draft: &Draft,
    workload: &Workload,
    problems: &mut Vec<Problem>,
) -> Level {
    let level = draft.verify.unwrap_or_default();
    let access = Access { user: "", password: None, paths: &[] };
    if level < Level::Drill || engine.rehearsal(&workload.env, &access).is_some() {
        return level;
    }
    if draft.verify != rules.defaults.verify {
        let message = format!("an archive of {} cannot be drilled", engine.card().name);
        let problem = wrong(rules, workload, "verify", "drill", message);
        problems.push(problem.suggest(Some("deep")));
    }
    Level::Deep
}

fn find_store(
    rules: &Rules,
    draft: &Draft,
    workload: &Workload,
    problems: &mut Vec<Problem>,
) -> Option<Slug> {
    let known = || rules.stores.iter().map(Slug::as_str);
    let Some(wanted) = &draft.stores else {
        if rules.store.is_none() {
            let names: Vec<&str> = known().collect();
            let message = format!(
                "names no store, and of the operator's ({}) none is the default",
                names.join(", ")
            );
            let suggestion = format!("{}.stores={}", rules.prefix, names.first().unwrap_or(&"…"));
            problems.push(Problem::new(&workload.name, message).suggest(Some(suggestion)));
        }
        return rules.store.clone();
    };
    let text = wanted.iter().map(Slug::as_str).collect::<Vec<_>>().join(",");
    if let Some(name) = wanted.iter().find(|name| !rules.stores.contains(*name)) {
        let message = format!("the operator has no store `{name}`");
        let near = nearest(name.as_str(), known());
        problems.push(wrong(rules, workload, "stores", &text, message).suggest(near));
        return None;
    }
    if let [one] = wanted.as_slice() {
        return Some(one.clone());
    }
    let message = "this version writes each archive to one store".to_owned();
    problems.push(wrong(rules, workload, "stores", &text, message));
    None
}

/// Who would decrypt an archive whose label `encrypt` says this, if it were made now.
///
/// # Errors
/// What is wrong with it, for people.
pub fn recipients(rules: &Rules, encrypt: Option<&str>) -> Result<Vec<String>, String> {
    let own = encrypt.map(values::encrypt).transpose()?;
    let own = own.or_else(|| rules.defaults.encrypt.clone());
    choose_recipients(rules, own.as_ref()).map_err(|wrong| format!("{}: {}", wrong.0, wrong.1))
}

fn find_recipients(
    rules: &Rules,
    draft: &Draft,
    workload: &Workload,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    match choose_recipients(rules, draft.encrypt.as_ref()) {
        Ok(recipients) => recipients,
        Err((value, message)) => {
            let near = nearest(&value, rules.groups.keys().map(Slug::as_str)).map(str::to_owned);
            problems.push(wrong(rules, workload, "encrypt", &value, message).suggest(near));
            Vec::new()
        }
    }
}

/// Whoever can decrypt every archive can decrypt those of a group, too. What is wrong is told with the
/// word that it is about.
fn choose_recipients(
    rules: &Rules,
    encrypt: Option<&Encrypt>,
) -> Result<Vec<String>, (String, String)> {
    let mut recipients = rules.recipients.clone();
    match encrypt {
        None => {}
        Some(Encrypt::No) => recipients.clear(),
        Some(Encrypt::Yes) if recipients.is_empty() => {
            let message = "the operator has set no `encryption.recipients`";
            return Err(("true".to_owned(), message.to_owned()));
        }
        Some(Encrypt::Yes) => {}
        Some(Encrypt::Groups(names)) => {
            for name in names {
                if recipients == [PASSPHRASE] {
                    let message = "archives are encrypted with the operator's passphrase, which goes with no recipients";
                    return Err((name.to_string(), message.to_owned()));
                }
                let unknown = || {
                    let message = "the operator has no such recipient group";
                    (name.to_string(), message.to_owned())
                };
                recipients.extend(rules.groups.get(name).ok_or_else(unknown)?.iter().cloned());
                let certificates = recipients.iter().filter(|text| is_certificate(text)).count();
                if certificates != 0 && certificates != recipients.len() {
                    let message =
                        "OpenPGP certificates and other recipients go into no archive together";
                    return Err((name.to_string(), message.to_owned()));
                }
            }
            recipients.sort();
            recipients.dedup();
        }
    }
    Ok(recipients)
}

fn default_name(
    rules: &Rules,
    workload: &Workload,
    name: &str,
    problems: &mut Vec<Problem>,
) -> Option<Slug> {
    match name.parse() {
        Ok(name) => Some(name),
        Err(_) if told(problems, rules, "name") => None,
        Err(error) => {
            let message = format!("its name `{name}` is no source name: {error}");
            let suggestion = format!("{}.name=…", rules.prefix);
            problems.push(Problem::new(&workload.name, message).suggest(Some(suggestion)));
            None
        }
    }
}

/// A problem of a key that was readable and cannot be followed.
fn wrong(rules: &Rules, workload: &Workload, key: &str, value: &str, message: String) -> Problem {
    Problem::new(&workload.name, message)
        .key(format!("{}.{key}", rules.prefix))
        .value(value)
        .see(format!("`ringbolt labels explain {key}`"))
}
