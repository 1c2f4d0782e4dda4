//! The fleet as a whole: one owner for each name, and an order that every `after` allows.

use std::collections::{BTreeMap, BTreeSet};

use super::Rules;
use super::resolve::Candidate;
use crate::model::{Plan, Problem, Slug, nearest};

/// Sees to it that no two sources have one name. The candidates are in the order of their creation.
pub(super) fn check_names(rules: &Rules, candidates: &mut [Candidate]) {
    let mut owners: BTreeMap<Slug, String> = BTreeMap::new();
    for candidate in candidates.iter_mut().filter(|candidate| candidate.running) {
        let Some(source) = &candidate.source else { continue };
        if let Some(owner) = owners.get(source) {
            let message = format!(
                "resolves to the source name `{source}`, which container `{owner}` has already"
            );
            let suggestion = format!("{}.name={source}-2", rules.prefix);
            let problem = Problem::new(&candidate.container, message).suggest(Some(suggestion));
            candidate.problems.push(problem);
        } else {
            owners.insert(source.clone(), candidate.container.clone());
        }
    }
    // A stopped container leaves its name to one that runs: they may be old and new of the same.
    for candidate in candidates.iter_mut().filter(|candidate| !candidate.running) {
        let Some((source, owner)) =
            candidate.source.as_ref().and_then(|source| owners.get_key_value(source))
        else {
            continue;
        };
        let message = format!(
            "its source name `{source}` has gone over to container `{owner}`, which runs: \
             both write to one series of archives"
        );
        candidate.problems.push(Problem::new(&candidate.container, message));
    }
}

/// Sees to it that every `after` names a source that there is, and that none waits for itself.
pub(super) fn check_order(rules: &Rules, candidates: &mut [Candidate]) {
    let known: BTreeSet<Slug> = candidates.iter().filter_map(|c| c.source.clone()).collect();
    let waits: BTreeMap<Slug, BTreeSet<Slug>> = candidates
        .iter()
        .filter_map(|candidate| candidate.plan.as_ref())
        .map(|plan| (plan.source.clone(), plan.after.clone()))
        .collect();
    for candidate in candidates {
        let Some(plan) = &candidate.plan else { continue };
        let key = format!("{}.after", rules.prefix);
        let problem = |message: String| {
            let problem = Problem::new(&candidate.container, message).key(&key);
            problem.see("`ringbolt labels explain after`")
        };
        for name in plan.after.iter().filter(|name| !known.contains(*name)) {
            let near = nearest(name.as_str(), known.iter().map(Slug::as_str));
            let unknown = problem("there is no such source".to_owned()).value(name.as_str());
            candidate.problems.push(unknown.suggest(near));
        }
        if reaches(&waits, &plan.source, &plan.source) {
            let message = format!("`{}` waits for itself, perhaps through others", plan.source);
            candidate.problems.push(problem(message));
        }
    }
}

/// Whether a source waits for another, directly or through others.
fn reaches(waits: &BTreeMap<Slug, BTreeSet<Slug>>, from: &Slug, to: &Slug) -> bool {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&Slug> = waits.get(from).into_iter().flatten().collect();
    while let Some(next) = open.pop() {
        if next == to {
            return true;
        }
        if seen.insert(next) {
            open.extend(waits.get(next).into_iter().flatten());
        }
    }
    false
}

/// The order of a run over all: the highest priority first, then by name, but nothing before what it
/// waits for.
pub(super) fn in_order(mut plans: Vec<Plan>) -> Vec<Plan> {
    plans.sort_by(|a, b| (b.priority, &a.source).cmp(&(a.priority, &b.source)));
    let mut ordered: Vec<Plan> = Vec::new();
    while !plans.is_empty() {
        let waiting: BTreeSet<&Slug> = plans.iter().map(|plan| &plan.source).collect();
        // A plan without a free one cannot be: cycles are problems, and problems have no plan.
        let free =
            plans.iter().position(|plan| plan.after.iter().all(|name| !waiting.contains(name)));
        ordered.push(plans.remove(free.unwrap_or(0)));
    }
    ordered
}
