//! `aside`: the hidden command that runs in helper containers. Its output is a tool's, not a person's.

use super::{CliError, Failure, Outcome};
use crate::aside;
use crate::model::ErrorKind;
use crate::transport::Stop;

pub(super) async fn run(arguments: Vec<String>, stop: &Stop) -> Outcome {
    let work = tokio::task::spawn_blocking(move || {
        aside::run(&arguments, &mut std::io::stdin().lock(), &mut std::io::stdout().lock())
    });
    tokio::select! {
        // A panic has said its words already.
        done = work => match done {
            Ok(done) => Ok(Ok(done.map_err(CliError::Aside)?)),
            Err(_) => Ok(Err(Failure(ErrorKind::Failed))),
        },
        () = stop.wait() => Ok(Err(Failure(ErrorKind::Interrupted))),
    }
}
