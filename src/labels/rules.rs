//! Rules: what the operator offers to labels and lets them say, made once from the settings.

use std::collections::{BTreeMap, BTreeSet};

use super::fixed::{self, Fixed};
use super::read::{Draft, read_value};
use super::rows::LABELS;
use super::values::Encrypt;
use crate::engine::custom::{self, Definition};
use crate::engine::{self, Engine};
use crate::model::{PASSPHRASE, Problem, Slug, nearest};
use crate::settings::{Policy, Settings};

/// The operator's side of every plan.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What our labels begin with, without the dot.
    pub prefix: Slug,
    pub(super) policy: Policy,
    /// What the settings say where labels are silent.
    pub(super) defaults: Draft,
    /// The stores there are, and the one for sources that name none.
    pub(super) stores: BTreeSet<Slug>,
    pub(super) store: Option<Slug>,
    pub(super) recipients: Vec<String>,
    pub(super) groups: BTreeMap<Slug, Vec<String>>,
    pub(super) fixed: Vec<Fixed>,
    /// The operator's own engines, by the name that follows `custom:`.
    pub(super) engines: BTreeMap<Slug, &'static dyn Engine>,
}

impl Rules {
    /// # Errors
    /// A problem for each setting that speaks of labels, stores or groups that there are not.
    pub fn new(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        for key in &settings.labels.policy.refuse {
            if !LABELS.iter().any(|label| label.key == key) {
                let near = nearest(key, LABELS.iter().map(|label| label.key));
                let problem = wrong(settings, "labels.policy.refuse", "there is no such label");
                problems.push(problem.value(key).suggest(near));
            }
        }
        let defaults = defaults(settings, &mut problems);
        let stores: BTreeSet<Slug> = settings.stores.keys().cloned().collect();
        let marked = settings.stores.iter().find(|(_, store)| store.default).map(|(name, _)| name);
        let only = stores.first().filter(|_| stores.len() == 1);
        let store = marked.or(only).cloned();
        if let Some(unknown) = defaults.stores.iter().flatten().find(|name| !stores.contains(*name))
        {
            let near = nearest(unknown.as_str(), stores.iter().map(Slug::as_str));
            let problem = wrong(settings, "defaults.stores", "there is no such store");
            problems.push(problem.value(unknown.as_str()).suggest(near));
        }
        let groups = &settings.encryption.groups;
        if let Some(Encrypt::Groups(names)) = &defaults.encrypt
            && let Some(unknown) = names.iter().find(|name| !groups.contains_key(*name))
        {
            let near = nearest(unknown.as_str(), groups.keys().map(Slug::as_str));
            let problem = wrong(settings, "defaults.encrypt", "there is no such group");
            problems.push(problem.value(unknown.as_str()).suggest(near));
        }
        let rules = Self {
            prefix: settings.labels.prefix.clone(),
            policy: settings.labels.policy.clone(),
            defaults,
            stores,
            store,
            recipients: match settings.encryption.passphrase {
                Some(_) => vec![PASSPHRASE.to_owned()],
                None => settings.encryption.recipients.clone(),
            },
            groups: groups.clone(),
            fixed: fixed::all(settings),
            engines: engines(settings),
        };
        for fixed in &rules.fixed {
            problems.extend(fixed.check(&rules));
        }
        if problems.is_empty() { Ok(rules) } else { Err(problems) }
    }

    /// The engine with this name, as a plan or a manifest says it.
    pub fn engine(&self, name: &str) -> Option<&'static dyn Engine> {
        match name.strip_prefix(custom::PREFIX) {
            Some(own) => {
                self.engines.iter().find(|(name, _)| name.as_str() == own).map(|(_, own)| *own)
            }
            None => engine::by_name(name),
        }
    }

    /// The containers that the settings name, labelled or not.
    pub fn containers(&self) -> BTreeSet<&str> {
        self.fixed.iter().map(Fixed::container).collect()
    }
}

fn engines(settings: &Settings) -> BTreeMap<Slug, &'static dyn Engine> {
    let made = settings.engines.iter().map(|(name, own)| {
        let definition = Definition {
            name: name.to_string(),
            dump: own.dump.clone(),
            restore: own.restore.clone(),
            empty: own.empty.clone(),
            version: own.version.clone(),
            begins_with: own.begins_with.clone(),
            ends_with: own.ends_with.clone(),
            extension: own.extension.clone().unwrap_or_else(|| "dump".to_owned()),
        };
        (name.clone(), custom::engine(&definition))
    });
    made.collect()
}

/// What the operator says is not bound by what the operator lets labels say.
fn defaults(settings: &Settings, problems: &mut Vec<Problem>) -> Draft {
    let free = Policy::free();
    let mut draft = Draft::default();
    for (key, value) in &settings.defaults {
        let setting = format!("defaults.{key}");
        let Some(label) = LABELS.iter().find(|label| label.key == key && label.has_default) else {
            let known = LABELS.iter().filter(|label| label.has_default).map(|label| label.key);
            let near = nearest(key, known).map(|near| format!("defaults.{near}"));
            let problem = wrong(settings, &setting, "there is no default of such a label");
            problems.push(problem.suggest(near));
            continue;
        };
        if let Err(error) = read_value(label, &mut draft, value, &free) {
            let message = format!("{error}; expected {}", label.expects);
            let see = format!("`ringbolt labels explain {}`", label.key);
            problems.push(wrong(settings, &setting, &message).value(value).see(see));
        }
    }
    draft
}

fn wrong(settings: &Settings, key: &str, message: &str) -> Problem {
    Problem::new(&settings.origin(key), message).key(key)
}
