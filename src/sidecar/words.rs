//! The words of life: what happens, what there is to do, what is remembered, what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use super::verifying::Broken;
use crate::history::Alarm;
use crate::model::{ArchiveId, Outcome, Priority, Schedule, Slug, Trigger};
use crate::schedule::Blackout;
use crate::settings::{Settings, StoreSettings, VerifySettings};

/// What the operator's settings say of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rhythm {
    /// How many runs go on at once.
    pub concurrency: usize,
    /// How many runs write to one store at once; a store that is not here takes all.
    pub per_store: BTreeMap<Slug, usize>,
    /// Up to so much later than due a run begins, each source at a place of its own.
    pub jitter: Duration,
    /// When no run begins.
    pub blackout: Vec<Blackout>,
    /// How often a failed run is tried again before the next due time.
    pub retries: u32,
    /// How many failures in a row are an alarm.
    pub failing: u32,
    /// An archive that is smaller than the usual one by this share is an alarm.
    pub shrunk_percent: u8,
    /// What a day's round of verification takes.
    pub verify: VerifySettings,
}

impl Rhythm {
    /// `blackout`: the settings' windows, read.
    pub fn new(settings: &Settings, blackout: Vec<Blackout>) -> Self {
        let (schedule, alarms) = (&settings.schedule, &settings.alarms);
        let bound = |(name, own): (&Slug, &StoreSettings)| Some((name.clone(), own.concurrency?));
        Self {
            concurrency: schedule.concurrency,
            per_store: settings.stores.iter().filter_map(bound).collect(),
            jitter: schedule.jitter,
            blackout,
            retries: schedule.retries,
            failing: alarms.failures,
            shrunk_percent: alarms.shrunk_percent,
            verify: settings.verify,
        }
    }
}

/// What there is to do for one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub source: Slug,
    /// The runtime's own id: another one is another container.
    pub container: String,
    pub schedules: BTreeMap<Option<Slug>, Schedule>,
    pub zone: TimeZone,
    pub priority: Priority,
    pub after: BTreeSet<Slug>,
    pub rpo: Option<Duration>,
    pub store: Slug,
}

/// What was so before this process began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// The newest due time of each schedule that was run or explained.
    pub handled: BTreeMap<Option<Slug>, Timestamp>,
    pub first_seen: Option<Timestamp>,
    pub last_success: Option<Timestamp>,
    /// Failures since the last success.
    pub failures: u32,
    /// Stored bytes of successful runs, the newest first.
    pub sizes: Vec<u64>,
    /// Whether its last run was cut off with the process.
    pub interrupted: bool,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// All there is to do, as just listed; and the containers with labels and no plan.
    /// `alive`: the containers that run, by the runtime's own id.
    Listed {
        jobs: Vec<Job>,
        unprotected: BTreeMap<String, String>,
        alive: BTreeSet<String>,
    },
    /// When the newest successful run of each source began, also of those that others made by hand.
    Known {
        successes: BTreeMap<Slug, Timestamp>,
    },
    /// Docker does not answer: nothing can be begun.
    DockerLost,
    Ended {
        source: Slug,
        end: End,
    },
    /// Verification found an archive that is not what was written.
    FoundBroken {
        source: Slug,
        archive: ArchiveId,
        failure: String,
    },
    /// Everything could be listed, and this is known to be broken.
    Looked(Broken),
    /// Verification has ended. `rest`: whether it was broken off before its end.
    Verified {
        rest: bool,
    },
    Configured(Rhythm),
    /// No run may begin any more.
    Stopping,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub outcome: Outcome,
    /// Whether the same may work a little later.
    pub retry: bool,
    pub stored_bytes: u64,
}

/// What verification has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// A day's share of every store.
    Round { due_at: Timestamp },
    /// What was left of a round that made room for a backup.
    Rest,
    /// Only to see what is known to be broken.
    Look,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Start {
        source: Slug,
        trigger: Trigger,
        schedule: Option<Slug>,
        due_at: Option<Timestamp>,
    },
    /// Ends a run whose container is gone.
    Cancel {
        source: Slug,
    },
    /// Verifies archives. Nothing else goes on then.
    Verify {
        what: Verification,
        settings: VerifySettings,
    },
    /// Ends what verifies now: a backup waits for it.
    StopVerifying,
    /// A due time that gets no run of its own, and why.
    Explain {
        source: Slug,
        schedule: Option<Slug>,
        due_at: Timestamp,
        why: &'static str,
    },
    /// A source that was not there before.
    Seen {
        source: Slug,
    },
    Raise {
        alarm: Alarm,
        message: String,
    },
    Clear {
        alarm: Alarm,
    },
}
