//! The terminal: asks a person for a passphrase, and shows nothing of what is typed.
//!
//! Whoever wants to stop while they are asked is heard, and their terminal shows again what they type;
//! the crates that ask for passphrases wait for a whole line whatever happens.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::model::Secret;
use crate::transport::Stop;

/// A terminal that does not show what is typed, for as long as this lives.
struct Hidden {
    terminal: File,
    before: Termios,
}

impl Hidden {
    fn new(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        tcsetattr(&self.terminal, OptionalActions::Now, &self.before).ok();
    }
}

/// Asks. `None`: there is no terminal, so nobody can be asked.
///
/// # Errors
/// If the terminal fails; of kind [`io::ErrorKind::Interrupted`] if they would rather stop.
pub(super) async fn ask(question: &str, stop: &Stop) -> io::Result<Option<Secret>> {
    // Not the standard input: it may be a pipe, and somebody be there all the same.
    let Ok(terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        return Ok(None);
    };
    let typed = terminal.try_clone()?;
    let mut hidden = Hidden::new(terminal)?;
    write!(hidden.terminal, "{question}: ")?;
    tokio::select! {
        line = tokio::task::spawn_blocking(move || line(&typed)) => match line {
            Ok(line) => line.map(Some),
            Err(error) => Err(io::Error::other(error)),
        },
        () = stop.wait() => Err(io::ErrorKind::Interrupted.into()),
    }
}

/// One line, byte by byte: no buffer is left behind with a part of it.
fn line(mut terminal: &File) -> io::Result<Secret> {
    let mut typed = Zeroizing::new(Vec::with_capacity(256));
    let mut byte = [0];
    while terminal.read(&mut byte)? == 1 && byte != *b"\n" {
        typed.push(byte[0]);
    }
    let text = std::str::from_utf8(&typed).map_err(io::Error::other)?;
    Ok(Secret::new(text.to_owned()))
}
