//! The contract beyond single values: several schedules and jobs, the order of sources, and what the
//! operator offers and forbids.

use std::time::Duration;

use ringbolt::labels::{Fleet, Rules, resolve};
use ringbolt::model::{Plan, Priority, Problem, SecretRef, Workload};
use ringbolt::settings::{self, Written};

use super::{environment, problems, problems_under, rules, workload};

const KEY: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
const OTHER_KEY: &str = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";

/// A workload that is enabled.
fn enabled(name: &str, labels: &[(&str, &str)]) -> Workload {
    workload(name, &[&[("ringbolt.enable", "true")], labels].concat())
}

/// The plans of one enabled workload without problems.
fn plans(flags: &[&str], labels: &[(&str, &str)]) -> Vec<Plan> {
    let fleet = resolve(&rules(flags), vec![enabled("db", labels)]);
    assert_eq!(fleet.problems, Vec::<Problem>::new());
    fleet.plans
}

fn plan(flags: &[&str], labels: &[(&str, &str)]) -> Plan {
    plans(flags, labels).remove(0)
}

fn names(fleet: &Fleet) -> Vec<&str> {
    fleet.plans.iter().map(|plan| plan.source.as_str()).collect()
}

#[test]
fn a_source_has_several_schedules_and_they_replace_the_default() {
    let schedules = |plan: &Plan| -> Vec<String> {
        let id = |id: &Option<_>| id.as_ref().map(ToString::to_string).unwrap_or_default();
        let own = plan.schedules.iter();
        own.map(|(own, schedule)| id(own) + "=" + &ringbolt::schedule::write(schedule)).collect()
    };
    let flags = ["defaults.schedule=@daily", "defaults.timezone=Europe/Berlin"];
    let defaulted = plan(&flags, &[]);
    assert_eq!(schedules(&defaulted), ["=@daily"]);
    assert_eq!(defaulted.zone.iana_name(), Some("Europe/Berlin"));
    let own =
        [("ringbolt.schedule.night", "0 3 * * *"), ("ringbolt.schedule.noon", "0 12 * * 1-5")];
    assert_eq!(schedules(&plan(&flags, &own)), ["night=0 3 * * *", "noon=0 12 * * 1-5"]);
    assert_eq!(schedules(&plan(&[], &[])), ["=@daily"]);
    let wrong = problems(&[("ringbolt.enable", "true"), ("ringbolt.schedule.a/b", "@daily")]);
    assert!(wrong.len() == 1 && wrong[0].contains("is no id"), "{wrong:?}");
}

#[test]
fn a_further_job_inherits_what_it_does_not_say() {
    let plans = plans(
        &[],
        &[
            ("ringbolt.name", "shop"),
            ("ringbolt.keep", "last=7"),
            ("ringbolt.schedule", "@hourly"),
            ("ringbolt.job.night.schedule", "0 3 * * *"),
            ("ringbolt.job.night.compress", "zstd:19"),
            ("ringbolt.job.plain.format", "plain"),
            ("ringbolt.job.plain.name", "shop-sql"),
            ("ringbolt.job.off.enable", "false"),
        ],
    );
    let seen: Vec<String> = plans
        .iter()
        .map(|plan| {
            format!("{} {} {} {}", plan.source, plan.format, plan.codec, plan.schedules.len())
        })
        .collect();
    assert_eq!(
        seen,
        ["shop custom zstd:3 1", "shop-night custom zstd:19 1", "shop-sql plain zstd:3 1"]
    );
    assert!(plans.iter().all(|plan| plan.keep.last == Some(7)));
    assert_eq!(plans[1].labels["compress"], "zstd:19");
    assert_eq!(plans[1].labels.get("name"), None);
}

#[test]
fn a_wrong_job_leaves_the_others_alone() {
    let fleet = resolve(
        &rules(&[]),
        vec![enabled(
            "db",
            &[("ringbolt.job.night.compres", "zstd"), ("ringbolt.job.x.keep", "last=3")],
        )],
    );
    assert_eq!(names(&fleet), ["db", "db-x"]);
    assert_eq!(fleet.unprotected, ["db"], "a part of it would not be backed up");
    let problem = fleet.problems[0].to_string();
    assert!(problem.contains("did you mean `ringbolt.job.night.compress`?"), "{problem}");
    for key in ["ringbolt.job.night", "ringbolt.job..keep", "ringbolt.job.a b.keep", "ringbolt.job"]
    {
        let found = problems(&[("ringbolt.enable", "true"), (key, "last=3")]);
        assert_eq!(found.len(), 1, "{key}: {found:?}");
    }
}

#[test]
fn what_is_wrong_for_all_jobs_is_told_once() {
    let found = problems(&[
        ("ringbolt.enable", "true"),
        ("ringbolt.keep", "7"),
        ("ringbolt.job.a.schedule", "@daily"),
        ("ringbolt.job.b.schedule", "daily"),
    ]);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn priority_and_after_make_the_order() {
    let fleet = resolve(
        &rules(&[]),
        vec![
            enabled("a", &[("ringbolt.after", "z")]),
            enabled("b", &[("ringbolt.priority", "low")]),
            enabled("c", &[("ringbolt.priority", "critical"), ("ringbolt.after", "b, a")]),
            enabled("z", &[]),
            enabled("y", &[("ringbolt.priority", "high")]),
        ],
    );
    assert_eq!(fleet.problems, Vec::<Problem>::new());
    assert_eq!(names(&fleet), ["y", "z", "a", "b", "c"]);
}

#[test]
fn nobody_waits_for_themselves_or_for_nobody() {
    let fleet = resolve(
        &rules(&[]),
        vec![
            enabled("a", &[("ringbolt.after", "b")]),
            enabled("b", &[("ringbolt.after", "c")]),
            enabled("c", &[("ringbolt.after", "a")]),
            enabled("own", &[("ringbolt.after", "own")]),
            enabled("typo", &[("ringbolt.after", "good1")]),
            enabled("good", &[]),
        ],
    );
    assert_eq!(names(&fleet), ["good"]);
    assert_eq!(fleet.unprotected, ["a", "b", "c", "own", "typo"]);
    let typo = fleet.problems.iter().find(|problem| problem.place == "typo").unwrap().to_string();
    assert!(typo.contains("no such source") && typo.contains("did you mean `good`?"), "{typo}");
    // A source with a problem of its own is there all the same.
    let fleet = resolve(
        &rules(&[]),
        vec![enabled("a", &[("ringbolt.after", "b")]), enabled("b", &[("ringbolt.keep", "7")])],
    );
    assert_eq!(names(&fleet), ["a"]);
}

#[test]
fn labels_choose_only_among_what_the_operator_offers() {
    let offsite = "stores.offsite.url=file:///mnt/offsite";
    let choice = plan(&[offsite, "stores.local.default=true"], &[("ringbolt.stores", "offsite")]);
    assert_eq!(choice.store.as_str(), "offsite");
    assert_eq!(plan(&[offsite, "stores.offsite.default=true"], &[]).store.as_str(), "offsite");
    for (flags, label, words) in [
        (&[][..], ("ringbolt.stores", "offsit"), "the operator has no store `offsit`"),
        (&[offsite], ("ringbolt.stores", "ofsite"), "did you mean `offsite`?"),
        (&[offsite], ("ringbolt.stores", "local,offsite"), "writes each archive to one store"),
        (&[offsite], ("ringbolt.keep", "last=3"), "none is the default"),
        (&[], ("ringbolt.encrypt", "true"), "has set no `encryption.recipients`"),
        (&[], ("ringbolt.encrypt", "team"), "no such recipient group"),
        (&[], ("ringbolt.notify", "ops"), "the operator has no channel `ops`"),
        (&[], ("ringbolt.engine", "custom:x"), "the operator defines no engine `x`"),
    ] {
        let found = problems_under(flags, &[label]);
        assert!(found.len() == 1 && found[0].contains(words), "{label:?}: {found:?}");
    }
}

#[test]
fn who_can_decrypt_everything_can_decrypt_a_group_s_archives() {
    let recipients = format!("encryption.recipients={KEY}");
    let group = format!("encryption.groups.team={OTHER_KEY}");
    let flags = [recipients.as_str(), group.as_str()];
    assert_eq!(plan(&flags, &[]).recipients, [KEY]);
    assert_eq!(plan(&flags, &[("ringbolt.encrypt", "team")]).recipients, [OTHER_KEY, KEY]);
    assert_eq!(plan(&flags, &[("ringbolt.encrypt", "false")]).recipients, [""; 0]);
    let off = [recipients.as_str(), "defaults.encrypt=false"];
    assert_eq!(plan(&off, &[]).recipients, [""; 0]);
    assert_eq!(plan(&off, &[("ringbolt.encrypt", "true")]).recipients, [KEY]);
}

#[test]
fn certificates_and_other_recipients_go_into_no_archive_together() {
    let certificate = include_str!("../keys/openpgp_modern.pub.asc").trim().replace('\n', "\\n");
    let recipients = format!("encryption.recipients={KEY}");
    let group = format!("encryption.groups.team=[\"{certificate}\"]");
    let flags = [recipients.as_str(), group.as_str()];
    let found = problems_under(&flags, &[("ringbolt.encrypt", "team")]);
    assert!(found.len() == 1 && found[0].contains("no archive together"), "{found:?}");
    assert!(!found[0].contains("PGP PUBLIC"), "{found:?}");
    assert_eq!(plan(&flags[1..], &[("ringbolt.encrypt", "team")]).recipients.len(), 1);
}

#[test]
fn the_operator_s_policy_is_stronger_than_labels() {
    for (flags, label, words) in [
        (&["labels.policy.refuse=encrypt,stores"][..], ("ringbolt.encrypt", "false"), "policy"),
        (&["labels.policy.refuse=schedule"], ("ringbolt.schedule.night", "@daily"), "policy"),
        (&["labels.policy.refuse=schedule"], ("ringbolt.job.x.schedule", "@daily"), "policy"),
        (&[], ("ringbolt.hook.before", "[\"true\"]"), "policy"),
        (&["labels.policy.priority=high"], ("ringbolt.priority", "critical"), "highest is `high`"),
        (&["labels.policy.timeout=1h"], ("ringbolt.timeout", "2h"), "longest is 1h"),
    ] {
        let found = problems_under(flags, &[label]);
        assert!(found.len() == 1 && found[0].contains(words), "{label:?}: {found:?}");
    }
    let within = ["labels.policy.priority=high", "labels.policy.timeout=1h"];
    let bounded = plan(&within, &[("ringbolt.priority", "high")]);
    assert_eq!(bounded.priority, Priority::High);
    assert_eq!(bounded.timeout, Some(Duration::from_hours(1)), "no limit would be longer");
    let hooks = plan(&["labels.policy.refuse="], &[("ringbolt.hook.after", "[\"sync\", \"-f\"]")]);
    assert_eq!(hooks.hooks.after, Some(vec!["sync".to_owned(), "-f".to_owned()]));
}

#[test]
fn a_literal_password_needs_the_operator_s_leave_and_is_never_shown() {
    let label = [("ringbolt.password", "hunter2-is-long")];
    let refused = problems_under(&[], &label);
    assert!(refused.len() == 1 && !refused[0].contains("hunter2"), "{refused:?}");
    let plan = plan(&["labels.policy.literal_passwords=true"], &label);
    let Some(SecretRef::Literal(secret)) = &plan.password else { panic!("{:?}", plan.password) };
    assert_eq!(secret.reveal(), "hunter2-is-long");
    let seen = format!("{plan:?} {:?}", plan.password.as_ref().map(ToString::to_string));
    assert!(!seen.contains("hunter2"), "{seen}");
    assert_eq!(plan.labels["password"], "literal");
}

#[test]
fn the_operator_s_own_words_about_labels_are_checked() {
    for (flags, words) in [
        (&["defaults.shedule=@daily"][..], "did you mean `defaults.schedule`?"),
        (&["defaults.name=x"], "no default of such a label"),
        (&["defaults.keep=7"], "`defaults.keep=7`: `7` has no `=`; expected `last=7"),
        (&["defaults.stores=lokal"], "did you mean `local`?"),
        (&["defaults.encrypt=team"], "there is no such group"),
        (&["labels.policy.refuse=hooks"], "there is no such label"),
    ] {
        let flags: Vec<String> = [&["stores.local.url=file:///b"], flags]
            .concat()
            .iter()
            .map(|flag| (*flag).to_owned())
            .collect();
        let written = Written { file: Some("/dev/null".into()), flags, ..Written::default() };
        let found = Rules::new(&settings::read(&written).unwrap()).unwrap_err();
        let problem = found[0].to_string();
        assert!(found.len() == 1 && problem.contains(words), "{found:?}");
        assert!(problem.starts_with("flag --set: "), "{problem}");
    }
}

#[test]
fn tables_are_chosen_by_the_engine_s_own_patterns() {
    let plan = plan(
        &[],
        &[
            ("ringbolt.include", "public.*"),
            ("ringbolt.exclude", "public.cache_*, $(id)"),
            ("ringbolt.exclude-data", "a;b"),
        ],
    );
    assert_eq!(plan.patterns.include, ["public.*"]);
    assert_eq!(plan.patterns.exclude, ["public.cache_*", "$(id)"]);
    assert_eq!(plan.patterns.exclude_data, ["a;b"]);
}

#[test]
fn the_settings_can_say_what_nobody_can_label() {
    let flags = [
        "sources.shop.container=db",
        "sources.shop.keep=last=3",
        "sources.shop.schedule.night=0 3 * * *",
        "sources.shop.job.sql.format=plain",
        "sources.shop.hook.before=[\"true\"]",
        "labels.policy.timeout=1h",
    ];
    let fleet = resolve(&rules(&flags), vec![workload("db", &[]), workload("other", &[])]);
    assert_eq!(fleet.problems, Vec::<Problem>::new());
    assert_eq!(names(&fleet), ["shop", "shop-sql"]);
    let plan = &fleet.plans[0];
    assert_eq!(
        (plan.workload.name.as_str(), plan.keep.last, plan.schedules.len()),
        ("db", Some(3), 1)
    );
    assert!(plan.hooks.before.is_some(), "the policy is for labels");

    // Labels and settings may both speak of one container, under two names.
    let fleet = resolve(&rules(&flags), vec![enabled("db", &[])]);
    assert_eq!(names(&fleet), ["db", "shop", "shop-sql"]);
    let twice = resolve(&rules(&flags), vec![enabled("db", &[("ringbolt.name", "shop")])]);
    assert!(twice.problems[0].to_string().contains("which container `db` has already"));

    let gone = rules(&["sources.two.container=dbb"]);
    let found = resolve(&gone, vec![workload("db", &[])]).problems;
    assert!(found[0].to_string().contains("no such container; did you mean `db`?"), "{found:?}");
    // What is wrong whatever the container is, is wrong with the settings.
    for (flag, words) in [
        ("sources.shop.kep=last=3", "did you mean `sources.shop.keep`?"),
        ("sources.shop.keep=3", "`sources.shop.keep=3`: "),
        ("sources.shop.password=hunter2", "`sources.shop.password`: a literal is refused"),
    ] {
        let flags: Vec<String> =
            ["stores.a.url=file:///a", flags[0], flag].map(str::to_owned).into();
        let written = Written { file: Some("/dev/null".into()), flags, ..Written::default() };
        let found = Rules::new(&settings::read(&written).unwrap()).unwrap_err();
        let said: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(said.len() == 1 && said[0].contains(words), "{flag}: {said:?}");
        assert!(!said[0].contains("hunter2"), "{said:?}");
    }
}

#[test]
fn an_environment_does_not_print() {
    let seen = format!("{:?}", environment(&[("POSTGRES_PASSWORD", "hunter2")]));
    assert!(!seen.contains("hunter2"), "{seen}");
}
