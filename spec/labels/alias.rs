//! A host that changes over from baktainer: with its prefix, its documented labels are understood.

use ringbolt::labels::{Fleet, resolve};
use ringbolt::model::{Codec, Databases, Priority, SecretRef, Workload};

use super::{environment, rules, workload};

const KEY: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

fn fleet(labels: &[(&str, &str)]) -> Fleet {
    let keys: Vec<(String, &str)> =
        labels.iter().map(|(key, value)| (format!("baktainer.{key}"), *value)).collect();
    let labels: Vec<(&str, &str)> =
        keys.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    let env = environment(&[("POSTGRES_PASSWORD", "s3cret$1"), ("POSTGRES_DB", "other")]);
    let recipients = format!("encryption.recipients={KEY}");
    let rules = rules(&["labels.prefix=baktainer", &recipients]);
    resolve(&rules, vec![Workload { env, ..workload("db", &labels) }])
}

fn problems(labels: &[(&str, &str)]) -> Vec<String> {
    fleet(labels).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_documented_label_is_an_alias() {
    let fleet = fleet(&[
        ("backup", "true"),
        ("db.engine", "postgresql"),
        ("db.name", "shop"),
        ("db.user", "app"),
        ("db.password", "s3cret$1"),
        ("name", "shop-db"),
        ("backup.compress", "true"),
        ("backup.encrypt", "true"),
        ("backup.retention.days", "14"),
        ("backup.retention.count", "5"),
        ("backup.priority", "high"),
    ]);
    assert!(fleet.problems.is_empty(), "{:?}", fleet.problems);
    let plan = &fleet.plans[0];
    assert_eq!(
        (plan.source.as_str(), plan.engine, plan.user.as_str()),
        ("shop-db", "postgres", "app")
    );
    assert_eq!(plan.databases, Databases::Named(vec!["shop".parse().unwrap()]));
    // The literal is what a variable holds, so the variable is named.
    assert_eq!(plan.password, Some(SecretRef::Env("POSTGRES_PASSWORD".to_owned())));
    assert!(matches!(plan.codec, Codec::Gzip(_)));
    assert_eq!(plan.recipients, [KEY]);
    assert_eq!(
        (plan.keep.last, plan.keep.within.map(|w| w.as_secs())),
        (Some(5), Some(14 * 86_400))
    );
    assert_eq!(plan.priority, Priority::High);
    assert!(!format!("{:?}", plan.labels).contains("s3cret"));
}

#[test]
fn both_words_for_all_databases_and_for_compression_are_read() {
    let found = fleet(&[("backup", "true"), ("db.engine", "postgres"), ("db.all", "true")]);
    assert_eq!(found.plans[0].databases, Databases::All, "{:?}", found.problems);
    for (value, codec) in [("false", Codec::None), ("zstd:7", Codec::Zstd(7))] {
        let found = fleet(&[("backup", "true"), ("compress", value)]);
        assert_eq!(found.plans[0].codec, codec, "{:?}", found.problems);
    }
}

#[test]
fn ours_are_understood_beside_theirs() {
    let found = fleet(&[("backup", "true"), ("schedule", "@daily"), ("job.sql.format", "plain")]);
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    assert_eq!(found.plans.len(), 2);
    let twice = problems(&[("backup", "true"), ("enable", "true")]);
    assert!(
        twice.len() == 1 && twice[0].contains("says the same as `baktainer.enable`"),
        "{twice:?}"
    );
}

#[test]
fn what_cannot_be_taken_over_is_a_problem_under_its_own_name() {
    for (label, words) in [
        (("db.password", "not-in-the-environment"), "`baktainer.db.password`: "),
        (("db.engine", "custom"), "`baktainer.db.engine`: "),
        (("command", "mysqldump"), "`baktainer.command`: "),
        (("backup.retention.days", "many"), "`baktainer.backup.retention.days`: "),
        (("backup.retension.days", "7"), "there is no such label"),
        (("db.nam", "shop"), "there is no such label"),
    ] {
        let found = problems(&[("backup", "true"), label]);
        assert!(found.iter().any(|problem| problem.contains(words)), "{label:?}: {found:?}");
        assert!(!found.iter().any(|problem| problem.contains("not-in-the")), "{found:?}");
    }
    // Another prefix has no aliases.
    let own = workload("db", &[("ringbolt.enable", "true"), ("ringbolt.db.name", "shop")]);
    assert_eq!(resolve(&rules(&[]), vec![own]).problems.len(), 1);
}
