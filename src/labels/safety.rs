//! The plan of a backup that is made before a restore replaces a database: that of the container's own
//! source, or the operator's defaults where it has none.

use super::resolve::resolve;
use super::rules::Rules;
use crate::engine::Engine;
use crate::model::{
    DatabaseName, Databases, LONGEST_SLUG, Level, Patterns, Plan, Problem, Slug, Workload,
};

/// What the source's name ends with. A source of its own: what was replaced is never `SOURCE@latest`, and
/// takes no archive's place in the source's retention.
const SUFFIX: &str = ".before-restore";

/// Resolves a container that is restored into, among all that are labelled, to the plan of a backup of one database, all of it.
///
/// # Errors
/// Every problem of its labels, and of an operator who has no default store.
pub fn before_restore(
    rules: &Rules,
    labelled: &[Workload],
    workload: &Workload,
    engine: &dyn Engine,
    name: &DatabaseName,
) -> Result<Plan, Vec<Problem>> {
    let fits = |plan: &Plan| plan.workload.id == workload.id && plan.engine == engine.card().name;
    let as_it_is = resolve(rules, with(labelled, workload.clone()));
    let own: Vec<Plan> = as_it_is.plans.into_iter().filter(fits).collect();
    let best = own.iter().find(|plan| plan.databases.has(name)).or(own.first()).cloned();
    let plan = match best {
        Some(plan) => plan,
        None => enabled(rules, labelled, workload, fits)?,
    };
    Ok(Plan {
        source: named(&plan.source),
        databases: Databases::Named(vec![name.clone()]),
        patterns: Patterns::default(),
        after: std::collections::BTreeSet::new(),
        // A drill of what is about to be replaced would only keep people waiting.
        verify: plan.verify.min(Level::Deep),
        ..plan
    })
}

/// The plan that it would have if it were enabled.
fn enabled(
    rules: &Rules,
    labelled: &[Workload],
    workload: &Workload,
    fits: impl Fn(&Plan) -> bool,
) -> Result<Plan, Vec<Problem>> {
    let mut workload = workload.clone();
    workload.labels.insert(format!("{}.enable", rules.prefix), "true".to_owned());
    let name = workload.name.clone();
    let fleet = resolve(rules, with(labelled, workload));
    let mut plans = fleet.plans.into_iter().filter(fits);
    plans.next().ok_or_else(|| fleet.problems.into_iter().filter(|p| p.place == name).collect())
}

/// The labelled workloads, and this one, as it is given.
fn with(labelled: &[Workload], workload: Workload) -> Vec<Workload> {
    let others = labelled.iter().filter(|other| other.id != workload.id);
    let mut all: Vec<Workload> = others.cloned().collect();
    all.push(workload);
    all
}

/// The source's name, shortened if it must be.
fn named(source: &Slug) -> Slug {
    let longest = LONGEST_SLUG - SUFFIX.len();
    let stem: String = source.as_str().chars().take(longest).collect();
    format!("{stem}{SUFFIX}").parse().expect("a shortened slug with a plain suffix is a slug")
}
