//! What must hold for any calls in any order: the memory is what a plain list of them comes to, and
//! pruning does not change it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use ringbolt::history::{Adopted, Alarm, End, Memory, NewRun, RunId};
use ringbolt::model::{AlarmKind, Outcome, Slug, Trigger};

use super::{Place, at, slug};

#[derive(Debug, Clone)]
enum Call {
    Seen(Slug, Timestamp),
    Begin(NewRun),
    /// Of the runs that were begun, that one.
    End(usize, End),
    Explain(Slug, Option<Slug>, Timestamp),
    Interrupted(Timestamp),
    Adopt(Vec<Adopted>),
    Prune(Timestamp),
    Raise(Alarm, Timestamp),
    Clear(Alarm, Timestamp),
    Reopen,
}

/// A run in the list.
#[derive(Debug)]
struct Run {
    id: RunId,
    source: Slug,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
    outcome: Option<Outcome>,
    stored_bytes: u64,
}

/// Everything that was called, as a plain list.
#[derive(Debug, Default)]
struct Model {
    /// In the order of their ids.
    runs: Vec<Run>,
    first_seen: BTreeMap<Slug, Timestamp>,
    handled: BTreeMap<Slug, BTreeMap<Option<Slug>, Timestamp>>,
    alarms: BTreeMap<Alarm, Timestamp>,
}

impl Model {
    fn see(&mut self, source: &Slug, at: Timestamp) {
        let first = self.first_seen.entry(source.clone()).or_insert(at);
        *first = at.min(*first);
    }

    fn handle(&mut self, source: &Slug, schedule: Option<&Slug>, due_at: Timestamp) {
        let handled = self.handled.entry(source.clone()).or_default();
        let newest = handled.entry(schedule.cloned()).or_insert(due_at);
        *newest = due_at.max(*newest);
    }

    /// The runs of a source, the newest first.
    fn of(&self, source: &Slug) -> Vec<&Run> {
        let mut runs: Vec<&Run> = self.runs.iter().filter(|run| run.source == *source).collect();
        runs.sort_by_key(|run| Reverse((run.started_at, run.id)));
        runs
    }

    fn memory(&self) -> BTreeMap<Slug, Memory> {
        let memory = |(source, first_seen): (&Slug, &Timestamp)| {
            let runs = self.of(source);
            let succeeded = |run: &&&Run| run.outcome == Some(Outcome::Succeeded);
            let since = runs.iter().take_while(|run| !succeeded(run));
            let failed = since.filter(|run| run.outcome == Some(Outcome::Failed)).count();
            let successes: Vec<&&Run> = runs.iter().filter(succeeded).take(8).collect();
            let memory = Memory {
                handled: self.handled.get(source).cloned().unwrap_or_default(),
                first_seen: *first_seen,
                last_success: successes.first().map(|run| run.started_at),
                failures: u32::try_from(failed).unwrap(),
                sizes: successes.iter().map(|run| run.stored_bytes).collect(),
            };
            (source.clone(), memory)
        };
        self.first_seen.iter().map(memory).collect()
    }
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    // Few enough that some are the same.
    (-30i64..30).prop_map(at)
}

fn any_source() -> impl Strategy<Value = Slug> {
    proptest::sample::select(vec![slug("a"), slug("b"), slug("c.d")])
}

fn any_schedule() -> impl Strategy<Value = Option<Slug>> {
    proptest::sample::select(vec![None, Some(slug("hourly")), Some(slug("nightly"))])
}

fn any_alarm() -> impl Strategy<Value = Alarm> {
    (proptest::sample::select(&AlarmKind::ALL[..]), any_source())
        .prop_map(|(kind, source)| Alarm { kind, subject: source.to_string() })
}

fn any_adopted() -> impl Strategy<Value = Adopted> {
    (any_source(), any_time(), 0i64..4, 0u64..9).prop_map(
        |(source, started_at, minutes, stored_bytes)| Adopted {
            source,
            trigger: Trigger::Schedule,
            started_at,
            finished_at: started_at + jiff::SignedDuration::from_mins(minutes),
            archives: 1,
            stored_bytes,
            plain_bytes: 0,
        },
    )
}

fn any_call() -> impl Strategy<Value = Call> {
    let begin = (
        any_source(),
        any_schedule(),
        proptest::sample::select(&Trigger::ALL[..]),
        proptest::option::of(any_time()),
        any_time(),
    );
    let begin = begin.prop_map(|(source, schedule, trigger, due_at, started_at)| {
        Call::Begin(NewRun { source, schedule, trigger, due_at, started_at })
    });
    let outcome = prop_oneof![
        3 => Just(Outcome::Succeeded),
        3 => Just(Outcome::Failed),
        1 => Just(Outcome::Cancelled),
    ];
    let end = (any::<usize>(), outcome, any_time(), any::<u32>());
    let end = end.prop_map(|(run, outcome, finished_at, stored_bytes)| {
        let (error, warnings, stored_bytes) = (None, Vec::new(), stored_bytes.into());
        let (archives, plain_bytes) = (1, 0);
        let end =
            End { finished_at, outcome, error, warnings, archives, stored_bytes, plain_bytes };
        Call::End(run, end)
    });
    prop_oneof![
        1 => (any_source(), any_time()).prop_map(|(source, at)| Call::Seen(source, at)),
        8 => begin,
        8 => end,
        2 => (any_source(), any_schedule(), any_time())
            .prop_map(|(source, schedule, at)| Call::Explain(source, schedule, at)),
        1 => any_time().prop_map(Call::Interrupted),
        2 => proptest::collection::vec(any_adopted(), 0..5).prop_map(Call::Adopt),
        1 => any_time().prop_map(Call::Prune),
        2 => (any_alarm(), any_time()).prop_map(|(alarm, at)| Call::Raise(alarm, at)),
        2 => (any_alarm(), any_time()).prop_map(|(alarm, at)| Call::Clear(alarm, at)),
        1 => Just(Call::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None, ..ProptestConfig::with_cases(100)
    })]

    #[test]
    fn the_memory_is_what_the_calls_come_to(calls in proptest::collection::vec(any_call(), 0..80)) {
        let place = Place::new();
        let (mut history, _) = place.open();
        let mut model = Model::default();
        for call in calls {
            match call {
                Call::Seen(source, at) => {
                    history.seen(&source, at).unwrap();
                    model.see(&source, at);
                }
                Call::Begin(new) => {
                    let id = history.begin(&new).unwrap();
                    prop_assert!(model.runs.iter().all(|run| run.id < id), "an id came again");
                    let NewRun { source, schedule, due_at, started_at, .. } = new;
                    model.see(&source, started_at);
                    if let Some(due_at) = due_at {
                        model.handle(&source, schedule.as_ref(), due_at);
                    }
                    let (finished_at, outcome, stored_bytes) = (None, None, 0);
                    let run = Run { id, source, started_at, finished_at, outcome, stored_bytes };
                    model.runs.push(run);
                }
                Call::End(which, end) => {
                    let count = model.runs.len().max(1);
                    if let Some(run) = model.runs.get_mut(which % count) {
                        let open = matches!(run.outcome, None | Some(Outcome::Interrupted));
                        prop_assert_eq!(history.end(run.id, &end).is_ok(), open);
                        if open {
                            run.outcome = Some(end.outcome);
                            run.finished_at = Some(end.finished_at);
                            run.stored_bytes = end.stored_bytes;
                        }
                    }
                }
                Call::Explain(source, schedule, due_at) => {
                    history.explain(&source, schedule.as_ref(), due_at, "merged").unwrap();
                    model.see(&source, due_at);
                    model.handle(&source, schedule.as_ref(), due_at);
                }
                Call::Interrupted(now) => {
                    let found = history.interrupted(now).unwrap();
                    let open = model.runs.iter_mut().filter(|run| run.outcome.is_none());
                    let mut count = 0;
                    for run in open {
                        run.outcome = Some(Outcome::Interrupted);
                        run.finished_at = Some(now);
                        count += 1;
                    }
                    prop_assert_eq!(found.len(), count);
                }
                Call::Adopt(past) => {
                    history.adopt(&past).unwrap();
                    for run in &past {
                        model.see(&run.source, run.started_at);
                    }
                    // Which of them were known already is checked by telling them again.
                    let runs = history.runs(None, usize::MAX).unwrap();
                    history.adopt(&past).unwrap();
                    prop_assert_eq!(&history.runs(None, usize::MAX).unwrap(), &runs);
                    let mut fresh: Vec<_> = runs
                        .into_iter()
                        .filter(|run| model.runs.iter().all(|known| known.id != run.id))
                        .collect();
                    fresh.sort_by_key(|run| run.id);
                    for run in &fresh {
                        let known = |known: &&Run| {
                            known.source == run.source
                                && known.outcome == Some(Outcome::Succeeded)
                                && known.started_at <= run.started_at
                                && known.finished_at >= Some(run.started_at)
                        };
                        prop_assert!(model.runs.iter().find(known).is_none(), "{:?}", run);
                        model.runs.push(Run {
                            id: run.id,
                            source: run.source.clone(),
                            started_at: run.started_at,
                            finished_at: run.finished_at,
                            outcome: run.outcome,
                            stored_bytes: run.stored_bytes,
                        });
                    }
                    for told in &past {
                        let covers = |run: &Run| {
                            run.source == told.source
                                && run.outcome == Some(Outcome::Succeeded)
                                && run.started_at <= told.started_at
                                && run.finished_at >= Some(told.started_at)
                        };
                        prop_assert!(model.runs.iter().any(covers), "{:?} was not taken", told);
                    }
                }
                Call::Prune(before) => {
                    let known = history.memory().unwrap();
                    history.prune(before).unwrap();
                    prop_assert_eq!(&history.memory().unwrap(), &known);
                    let left = history.runs(None, usize::MAX).unwrap();
                    let stays = |run: &Run| left.iter().any(|left| left.id == run.id);
                    let fits = |run: &Run| stays(run)
                        || (run.started_at < before && run.outcome.is_some()
                            && model.of(&run.source)[0].id != run.id);
                    prop_assert!(model.runs.iter().all(fits));
                    model.runs.retain(stays);
                    prop_assert_eq!(model.runs.len(), left.len());
                }
                Call::Raise(alarm, at) => {
                    let new = !model.alarms.contains_key(&alarm);
                    prop_assert_eq!(history.raise(&alarm, at, "x").unwrap(), new);
                    model.alarms.entry(alarm).or_insert(at);
                }
                Call::Clear(alarm, at) => {
                    let open = model.alarms.remove(&alarm).is_some();
                    prop_assert_eq!(history.clear(&alarm, at).unwrap(), open);
                }
                Call::Reopen => {
                    drop(history);
                    history = place.open().0;
                }
            }
            prop_assert_eq!(history.memory().unwrap(), model.memory());
        }
        let open = history.alarms().unwrap().into_iter().map(|open| (open.alarm, open.raised_at));
        prop_assert_eq!(open.collect::<BTreeMap<_, _>>(), model.alarms);
    }
}
