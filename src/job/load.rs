//! Loading: a plain dump into the command that reads it, and the comparison of what is there then. What
//! every restore and every drill has in common; where the dump comes from is not known here.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::session::Session;
use super::{JobError, advised};
use crate::engine::Access;
use crate::model::{Command, DatabaseName, Facts, TableRows};
use crate::transport::{self, Input, Process, Stdin, TransportError};

/// A plain dump on its way. The pieces alone prove nothing: only `whole` says whether they were the
/// whole, true dump, and it is asked when there are no more of them.
pub(super) struct Plain {
    pub(super) pieces: mpsc::Receiver<Bytes>,
    pub(super) whole: BoxFuture<'static, Result<(), JobError>>,
}

/// Runs a loading command to its successful end with the dump as its input. `moved` hears how many
/// bytes have gone in.
///
/// # Errors
/// [`JobError`]; then nothing of the command runs any more.
pub(super) async fn run(
    session: &Session,
    command: &Command,
    plain: Plain,
    moved: impl Fn(u64),
) -> Result<(), JobError> {
    let mut process = session.transport.start(command, Input::Open).await?;
    match pass(plain, &mut process, moved).await {
        Ok(refused) => {
            let exited = process.finish().await?;
            exited.success().map_err(|error| advised(session.engine, error))?;
            // It ended well, but had not read everything: that is not a whole restore.
            refused.map_or(Ok(()), |refused| Err(JobError::from(refused)))
        }
        Err(error) => {
            // Never by closing its input: to `psql`, half a dump is a whole script.
            let ended = process.abort().await;
            Err(match ended {
                Ok(()) => error,
                Err(source) => JobError::LeftBehind { cause: Box::new(error), source },
            })
        }
    }
}

/// Asks a database what is in it, and compares that with what was found in its dump.
///
/// # Errors
/// [`JobError::Differs`], [`JobError::Counts`] if it is not the same.
pub(super) async fn compare(
    session: &Session,
    access: &Access<'_>,
    name: &DatabaseName,
    expected: &Facts,
) -> Result<Facts, JobError> {
    let found = ask(session, access, name, expected).await?;
    agree(expected, found)
}

/// Compares some tables of a database with what was found of them in its dump, whatever else is in it.
///
/// # Errors
/// [`JobError::Differs`] if it is not the same.
pub(super) async fn compare_tables(
    session: &Session,
    access: &Access<'_>,
    name: &DatabaseName,
    expected: &[TableRows],
) -> Result<Vec<TableRows>, JobError> {
    let asked = Facts { tables: expected.to_vec(), ..Facts::default() };
    let found = ask(session, access, name, &asked).await?;
    same_tables(expected, &found.tables).map(|()| found.tables)
}

async fn ask(
    session: &Session,
    access: &Access<'_>,
    name: &DatabaseName,
    expected: &Facts,
) -> Result<Facts, JobError> {
    let engine = session.engine;
    let command = engine.ask_facts(access, name, expected);
    let answer = transport::answer(session.transport.as_ref(), &command).await?;
    Ok(engine.read_facts(&answer)?)
}

/// What was found, if it is what was expected.
///
/// # Errors
/// [`JobError::Differs`], [`JobError::Counts`] if it is not.
pub(super) fn agree(expected: &Facts, found: Facts) -> Result<Facts, JobError> {
    same_tables(&expected.tables, &found.tables)?;
    for (what, expected) in counts(expected) {
        let found = counts(&found).find(|(own, _)| *own == what).map_or(0, |(_, found)| found);
        if found != expected {
            return Err(JobError::Counts { what: what.to_owned(), expected, found });
        }
    }
    Ok(found)
}

fn same_tables(expected: &[TableRows], found: &[TableRows]) -> Result<(), JobError> {
    // What the engine left out of its answer cannot be compared; all else must be equal.
    let compared = |table: &&TableRows| {
        let names = (&table.schema, &table.table);
        found.iter().any(|own| (&own.schema, &own.table) == names)
    };
    let expected: Vec<TableRows> = expected.iter().filter(compared).cloned().collect();
    if found == expected {
        return Ok(());
    }
    Err(JobError::Differs { expected, found: found.to_vec() })
}

/// Writes the dump to the command while its output is read. `Some`: the command stopped reading; its
/// exit code, which is read next, says why.
async fn pass(
    plain: Plain,
    process: &mut Process,
    moved: impl Fn(u64),
) -> Result<Option<TransportError>, JobError> {
    let stdin = process.take_input();
    let mut feeding = std::pin::pin!(feed(plain, stdin, moved));
    let mut draining = std::pin::pin!(drain(process));
    let fed = tokio::select! {
        fed = &mut feeding => fed,
        drained = &mut draining => {
            // The command has closed its output; what it still reads decides.
            drained?;
            return refused(feeding.await);
        }
    };
    let refused = refused(fed)?;
    draining.await?;
    Ok(refused)
}

async fn feed(mut plain: Plain, stdin: Option<Stdin>, moved: impl Fn(u64)) -> Result<(), JobError> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    while let Some(piece) = plain.pieces.recv().await {
        stdin.write(&piece).await?;
        moved(piece.len() as u64);
    }
    // Only a whole, true dump is ended; the digest was compared after its last byte.
    plain.whole.await?;
    Ok(stdin.close().await?)
}

fn refused(fed: Result<(), JobError>) -> Result<Option<TransportError>, JobError> {
    match fed {
        Ok(()) => Ok(None),
        Err(JobError::Transport(error @ TransportError::Write { .. })) => Ok(Some(error)),
        Err(other) => Err(other),
    }
}

async fn drain(process: &mut Process) -> Result<(), TransportError> {
    while let Some(piece) = process.next().await {
        piece?;
    }
    Ok(())
}

/// What is counted beside rows.
fn counts(facts: &Facts) -> impl Iterator<Item = (&str, u64)> {
    let others = facts.counts.iter().map(|(what, number)| (what.as_str(), *number));
    std::iter::once(("large objects", facts.large_objects)).chain(others)
}
