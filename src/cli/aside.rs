//! `aside`: the hidden command that runs in helper containers. Its output is a tool's, not a person's.

use std::io;

use super::printer::Printer;
use super::{CliError, Failure, Outcome};
use crate::aside;
use crate::job::echo::{MARK, SUMMED};
use crate::model::ErrorKind;
use crate::pipeline::Summed;
use crate::transport::Stop;

pub(super) async fn run(printer: &Printer, mut arguments: Vec<String>, stop: &Stop) -> Outcome {
    let summed = arguments.first().is_some_and(|first| first == SUMMED);
    if summed {
        arguments.remove(0);
    }
    let work = tokio::task::spawn_blocking(move || {
        let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
        if !summed {
            return aside::run(&arguments, &mut input, &mut output).map(|()| None);
        }
        let mut output = Summed::new(output);
        aside::run(&arguments, &mut input, &mut output).map(|()| Some(output.sum()))
    });
    tokio::select! {
        // A panic has said its words already.
        done = work => match done {
            Ok(done) => {
                if let Some(sum) = done.map_err(CliError::Aside)? {
                    printer.say(&format!("\n{MARK} {}", sum.sha256));
                }
                Ok(Ok(()))
            }
            Err(_) => Ok(Err(Failure(ErrorKind::Failed))),
        },
        () = stop.wait() => Ok(Err(Failure(ErrorKind::Interrupted))),
    }
}
