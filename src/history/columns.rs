//! What the house's values look like in a column, and that they come back as they went in.
//!
//! Times are whole nanoseconds since 1970, so that they sort as numbers and come back to the last
//! digit: a due time that came back a little earlier would be due again. (RFC 3339 text does not
//! sort once fractions are in it.) `datetime(started_at / 1e9, 'unixepoch')` reads them in SQL.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use super::RunId;
use crate::model::Slug;

/// A time between the years 1677 and 2262; what lies outside is remembered as the nearest of these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time(pub(super) Timestamp);

/// Anything that is written as a word and read back from it.
#[derive(Debug)]
pub(super) struct Word<T>(pub(super) T);

/// The id of a schedule. A schedule without one is the empty text and not `NULL`, of which no two
/// are the same in a primary key.
#[derive(Debug)]
pub(super) struct ScheduleId(pub(super) Option<Slug>);

/// A number of bytes; more than SQLite can count are remembered as the most it can.
#[derive(Debug)]
pub(super) struct Size(pub(super) u64);

/// Texts in their order, as a JSON list.
#[derive(Debug)]
pub(super) struct Texts(pub(super) Vec<String>);

impl ToSql for Time {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let nanoseconds = self.0.as_nanosecond();
        let edge = if nanoseconds < 0 { i64::MIN } else { i64::MAX };
        Ok(i64::try_from(nanoseconds).unwrap_or(edge).into())
    }
}

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let nanoseconds = i128::from(i64::column_result(value)?);
        Timestamp::from_nanosecond(nanoseconds).map(Self).map_err(FromSqlError::other)
    }
}

impl<T: Display> ToSql for Word<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl<T: FromStr<Err: Display>> FromSql for Word<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let wrong = |error: T::Err| FromSqlError::Other(error.to_string().into());
        value.as_str()?.parse().map(Self).map_err(wrong)
    }
}

impl ToSql for ScheduleId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_ref().map_or("", Slug::as_str).into())
    }
}

impl FromSql for ScheduleId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "" => Ok(Self(None)),
            _ => Word::column_result(value).map(|Word(id)| Self(Some(id))),
        }
    }
}

impl ToSql for Size {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Size {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = i64::column_result(value)?;
        u64::try_from(number).map(Self).map_err(|_| FromSqlError::OutOfRange(number))
    }
}

impl ToSql for Texts {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = serde_json::to_string(&self.0);
        text.map(Into::into).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}

impl FromSql for Texts {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Self).map_err(FromSqlError::other)
    }
}

impl ToSql for RunId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for RunId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}
