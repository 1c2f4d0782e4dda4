//! Fuzzes the labels: any text becomes a fleet of workloads, and what they resolve to keeps the promises
//! of `spec/labels/README.md`, whatever the operator allows.
//!
//! The text is made of lines, so that a dictionary helps and a finding can be read; `README.md` beside
//! this file has their shapes.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use ringbolt::labels::{Fleet, Rules, resolve, target};
use ringbolt::model::{Problem, SecretRef, Slug, Workload};
use ringbolt::settings::{self, Written};

/// What marks a password. No input has it of itself: such an input is not looked at.
const PLANTED: &str = "pl4nted-sw0rdf1sh";

/// The operator's settings are every choice of one out of each of these.
const PREFIXES: [&str; 2] = ["ringbolt", "baktainer"];
const POLICIES: [&[&str]; 3] = [
    &[],
    &["labels.policy.literal_passwords=true", "labels.policy.refuse="],
    &["labels.policy.priority=high", "labels.policy.timeout=6h", "labels.policy.refuse=user"],
];
const STORES: [&[&str]; 3] = [
    &["stores.local.url=file:///backups"],
    &["stores.local.url=file:///a", "stores.other.url=file:///b"],
    &[
        "stores.local.url=file:///a",
        "stores.other.url=file:///b",
        "stores.other.default=true",
        "defaults.schedule=every 6h",
        "defaults.keep=last=3",
        "encryption.recipients=age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
        "encryption.groups.offsite=age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    ],
];

/// An operator's settings, as they were read once.
struct Operator {
    prefix: &'static str,
    rules: Rules,
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(text) = str::from_utf8(data) else { return Corpus::Reject };
    let Some(first) = text.chars().next().filter(char::is_ascii_lowercase) else {
        return Corpus::Reject;
    };
    if text.contains(PLANTED) {
        return Corpus::Reject;
    }
    let operators = operators();
    let operator = &operators[(first as usize - 'a' as usize) % operators.len()];
    check(operator, workloads(operator.prefix, &text[1..]));
    Corpus::Keep
});

fn operators() -> &'static [Operator] {
    static OPERATORS: OnceLock<Vec<Operator>> = OnceLock::new();
    OPERATORS.get_or_init(|| {
        let mut operators = Vec::new();
        for prefix in PREFIXES {
            for (policy, stores) in POLICIES.iter().flat_map(|p| STORES.iter().map(move |s| (p, s)))
            {
                let flags = policy.iter().chain(*stores).map(|flag| (*flag).to_owned());
                let flags = flags.chain([format!("labels.prefix={prefix}")]).collect();
                let file = Some("/dev/null".into());
                let written = Written { file, flags, ..Written::default() };
                let settings = settings::read(&written).expect("the settings are right");
                let rules = Rules::new(&settings).expect("the settings fit the labels");
                operators.push(Operator { prefix, rules });
            }
        }
        operators
    })
}

/// Reads workloads. What Docker sees to is seen to here: names and ids are unique.
fn workloads(prefix: &str, text: &str) -> Vec<Workload> {
    let mut workloads: Vec<Workload> = Vec::new();
    let mut environment: BTreeMap<String, String> = BTreeMap::new();
    for line in text.lines() {
        let line = line.replace("\\n", "\n").replace("\\0", "\0").replace("\\e", "\u{1b}");
        if let Some(name) = line.strip_prefix("container ") {
            close(&mut workloads, &mut environment);
            workloads.push(Workload {
                id: format!("{:04}", workloads.len()),
                name: name.to_owned(),
                image: "postgres:15".to_owned(),
                image_digest: "sha256:00".to_owned(),
                labels: BTreeMap::new(),
                env: std::iter::empty().collect(),
                running: true,
                created: String::new(),
            });
            continue;
        }
        let Some(workload) = workloads.last_mut() else { continue };
        if let Some(image) = line.strip_prefix("image ") {
            image.clone_into(&mut workload.image);
        } else if let Some(created) = line.strip_prefix("created ") {
            created.clone_into(&mut workload.created);
        } else if line == "stopped" {
            workload.running = false;
        } else if let Some((name, value)) =
            line.strip_prefix("env ").and_then(|line| line.split_once('='))
        {
            let marked = if name.contains("PASS") { PLANTED } else { "" };
            environment.insert(name.to_owned(), format!("{value}{marked}"));
        } else if let Some((key, value)) = line.split_once('=') {
            let ours = key.strip_prefix('.').map(|key| format!("{prefix}.{key}"));
            let (key, value) = (ours.unwrap_or(key.to_owned()), planted(key, value));
            workload.labels.insert(key, value);
        }
    }
    close(&mut workloads, &mut environment);
    let mut names = BTreeSet::new();
    workloads.retain(|workload| names.insert(workload.name.clone()));
    workloads
}

fn close(workloads: &mut [Workload], environment: &mut BTreeMap<String, String>) {
    if let Some(last) = workloads.last_mut() {
        last.env = std::mem::take(environment).into_iter().collect();
    }
}

/// Marks a password that is no reference. A schedule may be called `password`: that is no secret.
fn planted(key: &str, value: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    let secret = parts.last() == Some(&"password") && !parts.contains(&"schedule");
    let marked = format!("{value}{PLANTED}");
    let reference = |text: &str| text.parse::<SecretRef>().is_ok();
    if secret && !reference(value) && !reference(&marked) { marked } else { value.to_owned() }
}

fn check(operator: &Operator, workloads: Vec<Workload>) {
    let fleet = resolve(&operator.rules, workloads.clone());
    check_plans(&fleet);
    fleet.problems.iter().for_each(check_problem);
    for workload in &workloads {
        check_told(operator.prefix, workload, &fleet);
        if let Err(problems) = target(&operator.rules, workload) {
            assert!(!problems.is_empty(), "a restore is refused and nobody is told why");
            problems.iter().for_each(check_problem);
        }
    }
    let reversed = resolve(&operator.rules, workloads.into_iter().rev().collect());
    assert_eq!(reversed.plans, fleet.plans, "the order of the workloads matters");
    assert_eq!(reversed.problems, fleet.problems, "the order of the workloads matters");
    assert_eq!(reversed.unprotected, fleet.unprotected, "the order of the workloads matters");
}

fn check_plans(fleet: &Fleet) {
    let mut before: BTreeSet<&Slug> = BTreeSet::new();
    let all: BTreeSet<&Slug> = fleet.plans.iter().map(|plan| &plan.source).collect();
    for plan in &fleet.plans {
        let name = plan.source.as_str();
        assert_eq!(name.parse().as_ref(), Ok(&plan.source), "no slug: {name:?}");
        assert!(!name.contains('/') && !name.starts_with('.'), "no folder: {name:?}");
        assert!(!plan.schedules.is_empty(), "{name} has no schedule");
        let mut waits = plan.after.iter().filter(|other| all.contains(other));
        assert!(waits.all(|other| before.contains(other)), "{name} goes before what it waits for");
        assert!(before.insert(&plan.source), "two plans are called {name}");
        assert!(!format!("{plan:?}").contains(PLANTED), "the plan of {name} shows a password");
    }
}

fn check_problem(problem: &Problem) {
    let shown = problem.to_string();
    assert!(!shown.contains(char::is_control), "a problem can steer a terminal: {shown:?}");
    let unseen = ['\u{202e}', '\u{2066}', '\u{2028}', '\u{200b}'];
    assert!(!shown.contains(unseen), "a problem reads as what it is not: {shown:?}");
    assert!(!format!("{problem:?}").contains(PLANTED), "a password is repeated: {shown}");
    assert!(!problem.message.is_empty(), "a problem says nothing: {shown}");
}

/// What is labelled is backed up, or somebody is told.
fn check_told(prefix: &str, workload: &Workload, fleet: &Fleet) {
    let own = format!("{prefix}.");
    let label = |key: &str| workload.labels.get(&format!("{own}{key}")).map(String::as_str);
    let labelled = workload.labels.keys().any(|key| key.starts_with(&own));
    let off = match (label("enable"), label("backup")) {
        (Some(ours), _) => ours == "false",
        // There, anything but `true` switches off.
        (None, Some(theirs)) => prefix == "baktainer" && theirs != "true",
        (None, None) => false,
    };
    let plan = fleet.plans.iter().any(|plan| plan.workload.name == workload.name);
    let unprotected = fleet.unprotected.contains(&workload.name);
    let told = fleet.problems.iter().any(|problem| problem.place == workload.name);
    match labelled && !off {
        true => assert!(plan || (unprotected && told), "nobody knows of {:?}", workload.name),
        false => assert!(!plan && !unprotected, "{:?} is not ours", workload.name),
    }
    assert!(!unprotected || told, "{:?} is unprotected, and nobody is told why", workload.name);
}
