//! Progress: a bar where somebody watches, lines where nobody does.

use std::sync::{Arc, Mutex};

use indicatif::{ProgressBar, ProgressStyle};

use super::printer::Printer;
use crate::job::Event;
use crate::model::units::Bytes;

/// Tells what happens in a job.
pub(super) fn watcher(printer: Printer) -> Arc<dyn Fn(&Event) + Send + Sync> {
    let bar: Mutex<Option<ProgressBar>> = Mutex::new(None);
    Arc::new(move |event| {
        // A poisoned lock means a panic while drawing; the bar is still good to draw with.
        let mut bar = bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::DumpAdvanced { bytes } | Event::RestoreAdvanced { bytes } => {
                if let Some(bar) = bar.as_ref() {
                    bar.inc(*bytes);
                }
                return;
            }
            Event::RestoreLoaded => {
                let waiting = "the dump is in; waiting for the server (indexes, keys)";
                match bar.as_ref() {
                    Some(bar) => bar.set_message(waiting),
                    None => printer.say(waiting),
                }
                return;
            }
            _ => {}
        }
        if let Some(bar) = bar.take() {
            bar.finish_and_clear();
        }
        match event {
            Event::LeftoversSwept { removed } => {
                printer.say(&format!("swept {} leftovers of an earlier crash", removed.len()));
            }
            Event::HeldReleased(left) => {
                for container in &left.released {
                    printer.say(&format!("let go on what a killed run held: {container}"));
                }
                for error in &left.failures {
                    printer.error(error);
                }
            }
            Event::DrillsReaped(Ok(removed)) => {
                for container in removed {
                    printer.say(&format!("removed what a killed drill had left: {container}"));
                }
            }
            Event::DrillsReaped(Err(error)) => printer.error(error),
            Event::ArchiveDrilled { source, part, verdict, read_back } => {
                let read_back = match read_back {
                    0 => String::new(),
                    some => format!("; {} of it were read back from the archive", Bytes(*some)),
                };
                printer.say(&format!("{source}/{part} {verdict}{read_back}"));
            }
            Event::DumpStarted { source, part, expected } => {
                let about = format!("dumping {source}/{part}");
                *bar = begin(printer, about, *expected, GUESSED);
            }
            Event::ArchivePublished { source, part, id, plain, stored } => {
                let (plain, stored) = (Bytes(plain.bytes), Bytes(stored.bytes));
                printer.say(&format!(
                    "published {source}/{part} as {id}: {plain}, stored in {stored}"
                ));
            }
            Event::DumpFailed { source, part } => printer.say(&format!("failed {source}/{part}")),
            Event::RestoreStarted { id, expected } => {
                *bar = begin(printer, format!("restoring {id}"), *expected, KNOWN);
            }
            Event::RestoreStep { about } => printer.say(about),
            Event::RestoreLoaded
            | Event::RestoreEnded
            | Event::DumpAdvanced { .. }
            | Event::RestoreAdvanced { .. } => {}
        }
    })
}

/// A database's size on disk is only a guess at its dump's, so no percentage is claimed.
const GUESSED: &str = "{spinner} {msg}  {bytes} of about {total_bytes}  {bytes_per_sec}  {elapsed}";
/// An archive's plain size is known.
const KNOWN: &str =
    "{spinner} {msg}  {bytes} of {total_bytes} ({percent} %)  {bytes_per_sec}  {eta} left";

fn begin(
    printer: Printer,
    about: String,
    expected: u64,
    template: &'static str,
) -> Option<ProgressBar> {
    if !printer.shows_progress() {
        printer.say(&about);
        return None;
    }
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    Some(ProgressBar::new(expected).with_style(style).with_message(about))
}
