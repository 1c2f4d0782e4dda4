//! Aliases: where our prefix is another tool's (`baktainer`), its documented labels are understood as
//! ours, so that a host can change over before its Compose files do.

use std::collections::{BTreeMap, BTreeSet};

use super::Rules;
use super::dialect::{self, Container, DIALECTS};
use super::read::{Draft, Entry, read_value};
use super::rows::LABELS;
use crate::model::{Problem, Workload};
use crate::settings::Policy;

/// Replaces the other tool's labels among these by ours. What cannot be taken over is a problem: a
/// container whose labels are understood in part is not backed up as its owner thinks.
pub(super) fn resolve(
    rules: &Rules,
    workload: &Workload,
    entries: Vec<Entry>,
) -> (Vec<Entry>, Vec<Problem>) {
    let prefix = format!("{}.", rules.prefix);
    let Some(dialect) = DIALECTS.iter().find(|dialect| dialect.prefix == prefix) else {
        return (entries, Vec::new());
    };
    let theirs = |entry: &Entry| {
        dialect.row(&entry.key).is_some() && !is_ours(&entry.key, &entry.value, &rules.policy)
    };
    let (theirs, mut ours): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(theirs);
    if theirs.is_empty() {
        return (ours, Vec::new());
    }
    // The dialects read Compose files, where a dollar is written twice.
    let labels: BTreeMap<String, String> =
        theirs.into_iter().map(|entry| (entry.key, entry.value.replace('$', "$$"))).collect();
    let service = workload.labels.get("com.docker.compose.service");
    let names: BTreeSet<String> = [&workload.name].into_iter().chain(service).cloned().collect();
    let container = Container { names, env: workload.env.for_compose() };
    let translation = dialect::translate(dialect, &labels, &container);
    let finding = |finding: &dialect::Finding| {
        Problem::new(&workload.name, &finding.message)
            .key(format!("{prefix}{}", finding.key))
            .see("`ringbolt labels migrate`")
    };
    let mut problems: Vec<Problem> = translation.findings.iter().map(finding).collect();
    for label in translation.labels {
        let written = format!("{prefix}{}", label.from.first().map_or("", String::as_str));
        if ours.iter().any(|entry| entry.key == label.key) {
            let message = format!("says the same as `{prefix}{}`, which is there too", label.key);
            problems.push(Problem::new(&workload.name, message).key(written));
            continue;
        }
        ours.push(Entry { written, key: label.key, value: label.value.replace("$$", "$") });
    }
    (ours, problems)
}

/// Whether a label reads as one of ours. Both tools have a `name` and a `compress`.
fn is_ours(key: &str, value: &str, policy: &Policy) -> bool {
    let row = LABELS.iter().find(|label| label.key == key);
    row.is_some_and(|row| read_value(row, &mut Draft::default(), value, policy).is_ok())
}
