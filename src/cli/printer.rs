//! The one printer: stdout is data, stderr is talk. Nobody else writes to either.

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::model::{Explain, Problem, chain};

/// How to print.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    pub(super) json: bool,
    quiet: bool,
    talk: Talk,
}

/// How talk looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    /// A person watches: there may be a progress bar.
    Terminal,
    Lines,
    /// Every line begins with the time.
    Stamped,
}

impl Printer {
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        Self { json, quiet, talk: if terminal { Talk::Terminal } else { Talk::Lines } }
    }

    /// A printer for whoever lives long: every line of talk begins with the time, and no bar is drawn.
    pub(super) fn lines(self) -> Self {
        Self { talk: Talk::Stamped, ..self }
    }

    /// Talk on a line of its own.
    fn talk(self, text: &str) {
        let stamp = if self.talk == Talk::Stamped {
            format!("{} ", super::run::stamp())
        } else {
            String::new()
        };
        writeln!(io::stderr().lock(), "{stamp}{text}").ok();
    }

    /// Whether a progress bar would be seen and is wanted.
    pub(super) fn shows_progress(&self) -> bool {
        self.talk == Talk::Terminal && !self.quiet
    }

    /// Data, as it is. Ask for [`Printer::flush`] at its end.
    pub(super) fn bytes(self, bytes: &[u8]) -> io::Result<()> {
        io::stdout().lock().write_all(bytes)
    }

    /// Makes sure that what was printed is out: what is lost at exit is lost without a word.
    pub(super) fn flush(self) -> io::Result<()> {
        io::stdout().lock().flush()
    }

    /// Data for people: one line. A reader who has seen enough, as in `ringbolt list | head`, is no
    /// error, and does not change what the command's work came to.
    pub(super) fn line(self, line: &str) -> io::Result<()> {
        match writeln!(io::stdout().lock(), "{line}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Data for programs.
    pub(super) fn data(self, value: &impl Serialize) -> Result<(), super::CliError> {
        let text = serde_json::to_string_pretty(value)?;
        Ok(self.line(&text)?)
    }

    /// Data for people: a table without frames, as `docker ps` prints it.
    pub(super) fn table<const N: usize>(
        self,
        head: [&str; N],
        rows: Vec<[String; N]>,
    ) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(head);
        for row in rows {
            table.add_row(row);
        }
        table.lines().try_for_each(|line| self.line(line.trim()))
    }

    /// Talk. A reader who hung up is no error of the work.
    pub(super) fn say(self, text: &str) {
        if !self.quiet {
            self.talk(text);
        }
    }

    pub(super) fn problem(self, problem: &Problem) {
        self.talk(&format!("problem: {problem}"));
    }

    /// An error with its causes on one line, and what to do on the next.
    pub(super) fn error(self, error: &dyn Explain) {
        self.fault(&chain(error));
        if let Some(hint) = error.hint() {
            self.hint(&hint);
        }
    }

    pub(super) fn fault(self, text: &str) {
        self.talk(&format!("error: {text}"));
    }

    pub(super) fn hint(self, text: &str) {
        self.talk(&format!("hint: {text}"));
    }
}
