//! Alarms: which are open, and since when. Whether one should be is decided elsewhere, as often as
//! somebody likes: raising an open alarm and clearing a closed one change nothing that counts.

use jiff::Timestamp;
use rusqlite::params;

use super::columns::{Time, Word};
use super::{History, HistoryError};
use crate::model::AlarmKind;

/// What an alarm is about; there is one of each at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alarm {
    pub kind: AlarmKind,
    /// A source's name; of an unprotected workload its container's.
    pub subject: String,
}

/// An alarm that was raised and not cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAlarm {
    pub alarm: Alarm,
    pub raised_at: Timestamp,
    /// The last that was said.
    pub message: String,
}

impl History {
    /// Raises an alarm. Returns whether it was not open already, so that it is told once.
    pub fn raise(&self, alarm: &Alarm, at: Timestamp, message: &str) -> Result<bool, HistoryError> {
        self.write("write an alarm to", |transaction| {
            let (kind, subject) = (Word(alarm.kind), alarm.subject.as_str());
            let said_again = transaction.execute(
                "UPDATE alarm SET message = ?3
                 WHERE kind = ?1 AND subject = ?2 AND cleared_at IS NULL",
                params![kind, subject, message],
            )?;
            if said_again == 0 {
                transaction.execute(
                    "INSERT INTO alarm (kind, subject, raised_at, message) VALUES (?1, ?2, ?3, ?4)",
                    params![kind, subject, Time(at), message],
                )?;
            }
            Ok(said_again == 0)
        })
    }

    /// Clears an alarm. Returns whether it was open, so that its end is told once, too.
    pub fn clear(&self, alarm: &Alarm, at: Timestamp) -> Result<bool, HistoryError> {
        let cleared = self.write("write the end of an alarm to", |transaction| {
            transaction.execute(
                "UPDATE alarm SET cleared_at = ?3
                 WHERE kind = ?1 AND subject = ?2 AND cleared_at IS NULL",
                params![Word(alarm.kind), alarm.subject, Time(at)],
            )
        })?;
        Ok(cleared > 0)
    }

    /// The open alarms, the oldest first.
    pub fn alarms(&self) -> Result<Vec<OpenAlarm>, HistoryError> {
        self.read("read alarms of", |transaction| {
            let mut statement = transaction.prepare(
                "SELECT kind, subject, raised_at, message FROM alarm WHERE cleared_at IS NULL
                 ORDER BY raised_at, kind, subject",
            )?;
            let alarms = statement.query_map((), |row| {
                let (Word(kind), Time(raised_at)) = (row.get(0)?, row.get(2)?);
                let alarm = Alarm { kind, subject: row.get(1)? };
                Ok(OpenAlarm { alarm, raised_at, message: row.get(3)? })
            })?;
            alarms.collect()
        })
    }
}
