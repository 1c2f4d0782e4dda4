//! When the sidecar verifies, what makes room for what, and which alarms come of it.

use std::collections::{BTreeMap, BTreeSet};

use ringbolt::history::Alarm;
use ringbolt::model::{AlarmKind, ArchiveId, Outcome};
use ringbolt::schedule;
use ringbolt::sidecar::{Broken, Effect, Event, Rhythm, State, Verification};

use super::{alarms, at, ended, job, listed, rhythm, slug, starts};

fn state(rhythm: Rhythm, alarms: &[Alarm]) -> State {
    let alarms: BTreeSet<Alarm> = alarms.iter().cloned().collect();
    State::new(rhythm, BTreeMap::new(), alarms, None)
}

/// What verification is to do.
fn verifies(effects: &[Effect]) -> Vec<&'static str> {
    let word = |effect: &Effect| match effect {
        Effect::Verify { what: Verification::Round { .. }, .. } => Some("round"),
        Effect::Verify { what: Verification::Rest, .. } => Some("rest"),
        Effect::Verify { what: Verification::Look, .. } => Some("look"),
        Effect::StopVerifying => Some("stop"),
        _ => None,
    };
    effects.iter().filter_map(word).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_backup_goes_first_and_the_rest_comes_later() {
    let mut state = state(rhythm(), &[]);
    let day = |time: &str| at(&format!("2026-11-20T{time}:00Z"));
    let list = || listed(&[job("a", "0 3 * * *")]);
    assert_eq!(verifies(&state.apply(list(), day("01:59"))), ["round"]);
    // The backup is due and waits until nothing verifies any more; that is asked for once.
    let due = state.apply(Event::Tick, day("02:00"));
    assert_eq!((starts(&due), verifies(&due)), (vec![], vec!["stop"]));
    assert_eq!(verifies(&state.apply(Event::Tick, day("02:00"))), NOTHING);
    let ended_now = state.apply(Event::Verified { rest: true }, day("02:00"));
    assert_eq!((starts(&ended_now), verifies(&ended_now)), (vec!["a schedule".to_owned()], vec![]));
    assert_eq!(verifies(&state.apply(Event::Tick, day("02:30"))), NOTHING);
    assert_eq!(verifies(&state.apply(ended("a", Outcome::Succeeded), day("02:40"))), ["rest"]);
    assert_eq!(verifies(&state.apply(Event::Stopping, day("02:41"))), ["stop"]);
    assert_eq!(verifies(&state.apply(Event::Verified { rest: true }, day("02:41"))), NOTHING);
}

#[test]
fn neither_in_a_blackout_nor_without_docker_and_once_for_all_that_was_missed() {
    let blackout = vec![schedule::read_blackout("08:00-18:00").unwrap()];
    let mut state = state(Rhythm { blackout, ..rhythm() }, &[]);
    assert_eq!(verifies(&state.apply(Event::Tick, at("2026-11-20T06:00:00Z"))), NOTHING);
    assert_eq!(verifies(&state.apply(listed(&[]), at("2026-11-20T09:00:00Z"))), NOTHING);
    assert_eq!(verifies(&state.apply(Event::Tick, at("2026-11-20T18:00:00Z"))), ["round"]);
    state.apply(Event::Looked(Broken::new()), at("2026-11-20T18:01:00Z"));
    state.apply(Event::Verified { rest: false }, at("2026-11-20T18:01:00Z"));
    state.apply(Event::DockerLost, at("2026-11-20T18:02:00Z"));
    assert_eq!(verifies(&state.apply(Event::Tick, at("2026-11-25T19:00:00Z"))), NOTHING);
    assert_eq!(verifies(&state.apply(listed(&[]), at("2026-11-25T20:00:00Z"))), ["round"]);
    state.apply(Event::Verified { rest: false }, at("2026-11-25T20:01:00Z"));
    assert_eq!(verifies(&state.apply(Event::Tick, at("2026-11-26T17:59:59Z"))), NOTHING);
    assert_eq!(verifies(&state.apply(Event::Tick, at("2026-11-26T18:00:00Z"))), ["round"]);
}

#[test]
fn what_is_broken_is_an_alarm_until_it_is_known_not_to_be() {
    let alarm = Alarm { kind: AlarmKind::Broken, subject: "a".to_owned() };
    let id = ArchiveId::new(at("2026-11-01T00:00:00Z"), 1);
    let now = at("2026-11-20T06:00:00Z");
    // Rounds are off; looking is not.
    let mut off = rhythm();
    off.verify.share_percent = 0;
    // Until it was looked, the alarm of the last process stays; a listing that fails changes nothing.
    let mut state = state(off, &[alarm]);
    let looks = state.apply(listed(&[]), now);
    assert_eq!((verifies(&looks), alarms(&looks)), (vec!["look"], vec![]));
    let ended = |state: &mut State, now| state.apply(Event::Verified { rest: false }, now);
    assert_eq!(alarms(&ended(&mut state, now)), NOTHING);
    let broken = |why: &str| Broken::from([(slug("a"), [(id.clone(), why.to_owned())].into())]);
    assert_eq!(alarms(&state.apply(Event::Looked(broken("cut")), now)), ["+broken a"]);
    assert_eq!(alarms(&state.apply(Event::Looked(broken("cut")), now)), NOTHING);
    assert_eq!(alarms(&state.apply(Event::Looked(broken("gone")), now)), ["+broken a"]);
    // It is looked again soon, and when anything ran.
    let later = at("2026-11-20T07:00:00Z");
    assert_eq!(state.wake(now), Some(later));
    assert_eq!(verifies(&state.apply(Event::Tick, later)), ["look"]);
    assert_eq!(alarms(&state.apply(Event::Looked(Broken::new()), later)), ["-broken a"]);
    ended(&mut state, later);
    let found = Event::FoundBroken { source: slug("b"), archive: id, failure: "cut".to_owned() };
    assert_eq!(alarms(&state.apply(found, later)), ["+broken b"]);
}
