//! The words for runs, checks and alarms: what set a run off, how it ended, what an alarm is about. Each is
//! written in one way everywhere: in the history, in JSON, in metrics.
//!
//! When an alarm is raised is decided elsewhere.

use std::fmt;
use std::str::FromStr;

/// What set a run off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    Schedule,
    /// A due time had passed while the sidecar was not there.
    CatchUp,
    /// The run before failed in a way that may pass.
    Retry,
    /// Somebody asked for it.
    Manual,
    /// A restore replaces the database, which is backed up before.
    BeforeRestore,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Succeeded,
    Failed,
    /// Nobody saw its end: the sidecar itself ended before.
    Interrupted,
    /// Somebody asked for its end.
    Cancelled,
}

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// The newest archive is older than promised.
    Overdue,
    /// A source has been there for long and has no archive.
    NeverSucceeded,
    /// One run after the other fails.
    Failing,
    /// An archive is far smaller than the ones before it.
    Shrunk,
    /// A workload is labelled, and cannot be backed up as it is.
    Unprotected,
    /// An archive is not what was written.
    Broken,
}

/// What a look at a stored archive came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// It is what was written.
    Proven,
    /// It is not.
    Broken,
    /// It could not be looked at, which says nothing about it.
    Unread,
}

impl Trigger {
    pub const ALL: [Self; 5] =
        [Self::Schedule, Self::CatchUp, Self::Retry, Self::Manual, Self::BeforeRestore];
}

impl Outcome {
    pub const ALL: [Self; 4] = [Self::Succeeded, Self::Failed, Self::Interrupted, Self::Cancelled];
}

impl AlarmKind {
    pub const ALL: [Self; 6] = [
        Self::Overdue,
        Self::NeverSucceeded,
        Self::Failing,
        Self::Shrunk,
        Self::Unprotected,
        Self::Broken,
    ];
}

impl Finding {
    pub const ALL: [Self; 3] = [Self::Proven, Self::Broken, Self::Unread];
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Schedule => "schedule",
            Self::CatchUp => "catch_up",
            Self::Retry => "retry",
            Self::Manual => "manual",
            Self::BeforeRestore => "before_restore",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
        })
    }
}

impl fmt::Display for AlarmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overdue => "overdue",
            Self::NeverSucceeded => "never_succeeded",
            Self::Failing => "failing",
            Self::Shrunk => "shrunk",
            Self::Unprotected => "unprotected",
            Self::Broken => "broken",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proven => "proven",
            Self::Broken => "broken",
            Self::Unread => "unread",
        })
    }
}

impl FromStr for Trigger {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|trigger| trigger.to_string() == text);
        found.ok_or("it is no trigger")
    }
}

impl FromStr for Outcome {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|outcome| outcome.to_string() == text);
        found.ok_or("it is no outcome")
    }
}

impl FromStr for AlarmKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.to_string() == text);
        found.ok_or("it is no kind of alarm")
    }
}

impl FromStr for Finding {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|finding| finding.to_string() == text);
        found.ok_or("it is no finding")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for trigger in Trigger::ALL {
            assert_eq!(trigger.to_string().parse(), Ok(trigger));
        }
        for outcome in Outcome::ALL {
            assert_eq!(outcome.to_string().parse(), Ok(outcome));
        }
        for kind in AlarmKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for finding in Finding::ALL {
            assert_eq!(finding.to_string().parse(), Ok(finding));
        }
        assert_eq!(Trigger::CatchUp.to_string(), "catch_up");
        for bad in ["", "Schedule", "catch-up", " retry"] {
            assert!(bad.parse::<Trigger>().is_err(), "{bad}");
        }
    }
}
