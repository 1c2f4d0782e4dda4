//! Labels: every key with right and nearly right values, hostile ones, and what they resolve to.

mod alias;
mod contract;
mod schema;

use proptest::prelude::*;
use ringbolt::labels::{Fleet, LABELS, Rules, resolve};
use ringbolt::model::{Codec, Databases, Environment, Workload};
use ringbolt::settings::{self, Written};

use crate::tidy::check_generated;
use crate::world::World;

fn workload(name: &str, labels: &[(&str, &str)]) -> Workload {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Workload {
        id: format!("id-{name}"),
        name: name.to_owned(),
        image: "postgres:15".to_owned(),
        image_digest: "sha256:00".to_owned(),
        labels: labels.iter().map(own).collect(),
        env: environment(&[("POSTGRES_PASSWORD", "x")]),
        running: true,
        created: format!("2026-11-20T03:00:00.{name}"),
    }
}

pub(crate) fn environment(variables: &[(&str, &str)]) -> Environment {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    variables.iter().map(own).collect()
}

/// The rules that the operator's settings make, with one store `local`.
pub(crate) fn rules(flags: &[&str]) -> Rules {
    let always = ["stores.local.url=file:///backups"];
    let flags = always.iter().chain(flags).map(|flag| (*flag).to_owned()).collect();
    let written = Written { file: Some("/dev/null".into()), flags, ..Written::default() };
    Rules::new(&settings::read(&written).unwrap()).unwrap()
}

/// As [`problems`], under an operator's settings.
fn problems_under(flags: &[&str], labels: &[(&str, &str)]) -> Vec<String> {
    let labels = [&[("ringbolt.enable", "true")], labels].concat();
    let fleet = resolve(&rules(flags), vec![workload("db", &labels)]);
    fleet.problems.iter().map(ToString::to_string).collect()
}

fn fleet(workloads: Vec<Workload>) -> Fleet {
    resolve(&rules(&[]), workloads)
}

fn problems(labels: &[(&str, &str)]) -> Vec<String> {
    fleet(vec![workload("db", labels)]).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_example_is_right_and_every_mistake_is_a_problem() {
    for label in LABELS {
        let key = format!("ringbolt.{}", label.key);
        // The operator lets labels have hooks here, and another source is there to wait for.
        let with = |value: &'static str| {
            let files = [("ringbolt.enable", "true"), ("ringbolt.engine", "files")];
            let own = match label.key {
                "enable" => workload("db", &[(&key, value)]),
                "path" => workload("db", &[&files[..], &[(&key, value)]].concat()),
                // What only engines of files take.
                "hold" => workload(
                    "db",
                    &[&files[..], &[("ringbolt.path", "/data"), (&key, value)]].concat(),
                ),
                _ => workload("db", &[("ringbolt.enable", "true"), (&key, value)]),
            };
            let other = workload("shop-db", &[("ringbolt.enable", "true")]);
            let fleet = resolve(&rules(&["labels.policy.refuse="]), vec![own, other]);
            fleet.problems.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        for example in label.examples {
            let found = with(example);
            assert!(found.is_empty(), "{key}={example}: {found:?}");
        }
        for mistake in label.mistakes {
            let found = with(mistake);
            assert_eq!(found.len(), 1, "{key}={mistake}: {found:?}");
            assert!(found[0].starts_with("db: `") && found[0].contains(&key), "{found:?}");
            let repeated = mistake.len() > 4 && found[0].contains(mistake);
            assert!(!(label.secret && repeated), "a secret is repeated: {found:?}");
        }
    }
}

#[test]
fn a_typo_is_a_problem_with_a_suggestion() {
    for (typo, right) in
        [("enabel", "enable"), ("database", "databases"), ("shedule", "schedule"), ("Name", "name")]
    {
        let found = problems(&[("ringbolt.enable", "true"), (&format!("ringbolt.{typo}"), "x")]);
        let hint = format!("did you mean `ringbolt.{right}`?");
        assert!(found.len() == 1 && found[0].contains(&hint), "{found:?}");
    }
    let found = problems(&[("ringbolt.enable", "true"), ("ringbolt.zzz", "x")]);
    assert_eq!(found, ["db: `ringbolt.zzz`: there is no such label (see `ringbolt labels`)"]);
}

#[test]
fn all_problems_are_told_at_once_and_other_workloads_go_on() {
    let bad = workload(
        "bad",
        &[("ringbolt.enabled", "true"), ("ringbolt.name", "../x"), ("ringbolt.compress", "zip")],
    );
    let good = workload("good", &[("ringbolt.enable", "true")]);
    let fleet = fleet(vec![bad, good]);
    assert_eq!(fleet.plans.len(), 1);
    assert_eq!(fleet.plans[0].source.as_str(), "good");
    let keys: Vec<_> = fleet.problems.iter().filter_map(|problem| problem.key.as_deref()).collect();
    assert_eq!(keys, ["ringbolt.compress", "ringbolt.enabled", "ringbolt.name"]);
    assert!(fleet.problems.iter().any(|problem| problem.message.contains("not enabled")));
}

#[test]
fn one_label_is_enough_for_a_stock_image() {
    let mut stock = workload(
        "shop-db-1",
        &[
            ("ringbolt.enable", "true"),
            ("com.docker.compose.project", "shop"),
            ("com.docker.compose.service", "db"),
        ],
    );
    stock.env = environment(&[("POSTGRES_USER", "app"), ("POSTGRES_DB", "orders")]);
    let fleet = fleet(vec![stock]);
    let plan = &fleet.plans[0];
    assert_eq!(
        (plan.source.as_str(), plan.engine, plan.user.as_str()),
        ("shop-db", "postgres", "app")
    );
    assert_eq!(plan.databases, Databases::Named(vec!["orders".parse().unwrap()]));
    assert_eq!((plan.format, plan.codec), ("custom", Codec::Zstd(3)));
}

#[test]
fn of_two_with_one_name_the_older_keeps_it() {
    let labels = [("ringbolt.enable", "true"), ("ringbolt.name", "shop")];
    for order in [["1", "2"], ["2", "1"]] {
        let fleet = fleet(order.iter().map(|name| workload(name, &labels)).collect());
        assert_eq!(fleet.plans.len(), 1);
        assert_eq!(fleet.plans[0].workload.name, "1");
        let problem = fleet.problems[0].to_string();
        assert!(problem.starts_with("2: resolves to the source name `shop`"), "{problem}");
    }
}

#[test]
fn a_name_is_taken_by_what_runs_even_if_it_is_wrong() {
    let labels = [("ringbolt.enable", "true"), ("ringbolt.name", "shop")];
    let wrong = [labels[0], labels[1], ("ringbolt.compress", "zip")];
    let clash = fleet(vec![workload("1", &wrong), workload("2", &labels)]);
    assert!(clash.plans.is_empty());
    assert!(
        clash
            .problems
            .iter()
            .any(|p| p.place == "2" && p.message.contains("container `1` has already"))
    );
    // A stopped one may be the predecessor of the one that runs.
    let mut old = workload("1", &labels);
    old.running = false;
    let handed_on = fleet(vec![old, workload("2", &labels)]);
    assert_eq!(handed_on.plans.len(), 1);
    assert_eq!(handed_on.problems.len(), 2);
    assert!(handed_on.problems[1].message.contains("gone over to container `2`"));
}

#[test]
fn what_is_labelled_but_cannot_be_backed_up_is_a_problem() {
    let mut stopped = workload("stopped", &[("ringbolt.enable", "true")]);
    stopped.running = false;
    let mut unknown = workload("unknown", &[("ringbolt.enable", "true")]);
    unknown.image = "nginx".to_owned();
    let off = workload("off", &[("ringbolt.enable", "false"), ("ringbolt.name", "../x")]);
    let foreign = workload("foreign", &[("ringboltx.enable", "true")]);
    let fleet = fleet(vec![stopped, unknown, off, foreign]);
    assert!(fleet.plans.is_empty());
    let places: Vec<&str> = fleet.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["stopped", "unknown"]);
}

#[test]
fn hostile_values_are_refused() {
    let long = "x".repeat(300);
    for hostile in [
        "..",
        "../../etc/passwd",
        "a/b",
        "a\nb",
        "a\0b",
        "$(reboot)",
        "`id`",
        "a;b",
        "-rf",
        "a b",
        "ä",
        &long,
    ] {
        let found = problems(&[("ringbolt.enable", "true"), ("ringbolt.name", hostile)]);
        assert_eq!(found.len(), 1, "{hostile:?}");
        assert!(!found[0].contains('\n') && !found[0].contains('\0'), "{found:?}");
    }
    for hostile in ["a\nb", "a\0b", "a\u{1b}[2Jb", &"x".repeat(5000)] {
        for key in ["databases", "user", "password", "schedule", "keep"] {
            let key = format!("ringbolt.{key}");
            let found = problems(&[("ringbolt.enable", "true"), (&key, hostile)]);
            assert_eq!(found.len(), 1, "{key}={hostile:?}");
        }
    }
}

#[test]
fn ten_thousand_labels_are_ten_thousand_problems() {
    let keys: Vec<String> = (0..10_000).map(|number| format!("ringbolt.x{number}")).collect();
    let mut labels: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "x")).collect();
    labels.push(("ringbolt.enable", "true"));
    assert_eq!(problems(&labels).len(), 10_000);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]
    #[test]
    fn no_label_panics_the_parser(key in "\\PC{0,40}", value in any::<String>(), pick in 0..LABELS.len()) {
        let known = format!("ringbolt.{}", LABELS[pick].key);
        let fleet = fleet(vec![workload("db", &[
            ("ringbolt.enable", "true"), (&known, &value), (&format!("ringbolt.{key}"), &value),
        ])]);
        for plan in &fleet.plans {
            let name = plan.source.as_str();
            prop_assert!(!name.contains('/') && !name.starts_with('.'));
        }
    }
}

#[test]
fn the_readme_s_table_is_this_table() {
    let mut table = String::from("| label | value | default | |\n|---|---|---|---|\n");
    for label in LABELS {
        let cell = |text: &str| text.replace('|', "\\|");
        table.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            label.key,
            cell(label.expects),
            cell(label.default),
            cell(label.about)
        ));
    }
    check_generated("README.md", "<!-- labels -->", "<!-- /labels -->", &table);
}

#[test]
fn problems_reach_the_person_and_the_exit_code() {
    let world = World::new();
    world.postgres("good", &[("enable", "true"), ("name", "shop")], &[]);
    world.postgres("bad", &[("enable", "true"), ("nam", "x"), ("compress", "zip")], &[]);
    world.postgres("twin", &[("enable", "true"), ("name", "shop")], &[]);

    let ran = world.ringbolt(&["--dry-run", "--json"]).expect(2);
    let json = ran.json();
    assert_eq!(json["sources"][0]["source"], "shop");
    assert_eq!(json["sources"].as_array().unwrap().len(), 1);
    assert_eq!(json["problems"].as_array().unwrap().len(), 3, "{json:#}");
    let bad = format!("problem: {}-bad: `{}.nam`", world.prefix, world.prefix);
    let twin = format!("problem: {}-twin: resolves to the source name `shop`", world.prefix);
    assert!(world.files().is_empty(), "a dry run changes nothing");

    world.ringbolt(&["backup", "bad"]).expect(2).says(&bad).says("there is no source `bad`");
    let ran = world.ringbolt(&["backup"]).expect(2).says(&bad).says(&twin);
    assert!(ran.stderr.contains("did you mean"), "{ran:?}");
    let sources: Vec<_> = world.list().iter().map(|a| a["source"].clone()).collect();
    assert_eq!(sources, ["shop", "shop"], "the good one went on: its database and its globals");
}

#[test]
fn hostile_labels_on_a_real_container_reach_no_shell_and_no_other_folder() {
    let world = World::new();
    let texts = [
        "$(touch /tmp/pwned)",
        "`touch /tmp/pwned`",
        "a; touch /tmp/pwned",
        "a | touch /tmp/pwned",
    ];
    let keys: Vec<(String, &str)> =
        ["name", "databases", "user", "include", "exclude", "password", "after"]
            .iter()
            .flat_map(|key| {
                let job = |(number, text): (usize, &&'static str)| {
                    (format!("job.{key}{number}.{key}"), *text)
                };
                texts.iter().enumerate().map(job).collect::<Vec<_>>()
            })
            .collect();
    let paths = ["..", "../../x", "/tmp/x", "a/../../x"]
        .map(|path| (format!("job.p{}.name", path.len()), path));
    let mut labels: Vec<(&str, &str)> = vec![("enable", "true"), ("name", "shop")];
    labels.extend(keys.iter().chain(&paths).map(|(key, value)| (key.as_str(), *value)));
    let server = world.postgres("db", &labels, &[]);
    let before: Vec<_> = std::fs::read_dir(&world.folder).unwrap().collect();
    assert!(before.is_empty());
    world.ringbolt(&["--dry-run"]).expect(1);
    world.ringbolt(&["backup"]).expect(1);
    let pwned = "test ! -e /tmp/pwned && ! ls / /root /var/lib/postgresql | grep pwned";
    server.shell(pwned).expect(0);
    assert!(!std::path::Path::new("/tmp/pwned").exists());
    let entries = std::fs::read_dir(&world.folder).unwrap();
    let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["store"], "only the store was written to");
    for name in world.files().keys() {
        let odd = |c: char| !c.is_ascii_alphanumeric() && !"._-%@/".contains(c);
        assert!(name.split('/').count() == 3 && !name.contains(odd), "{name}");
    }
}

#[test]
fn an_answer_that_is_no_utf_8_is_told_and_nothing_is_done() {
    let mut world = World::new();
    world.postgres("db", &[("enable", "true"), ("user", "MANGLED-ON-ITS-WAY")], &[]);
    let (from, to) = (b"MANGLED", b"\xff\xfe\x80\xc3\x28\xf0\x9f");
    world.docker_host = Some(crate::faults::proxy::mangling(&world, from, to));
    let ran = world.ringbolt(&["backup"]).expect(1).says("cannot list containers");
    assert!(ran.stdout.is_empty(), "{ran:?}");
    assert!(world.files().is_empty());
}
