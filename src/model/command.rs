//! A command as an engine describes it: arguments, environment, what goes to its standard input.
//!
//! It never runs anything (`transport/` does), and no argument can hold a secret: only the
//! environment takes references to secrets.

use super::SecretRef;

/// One command to run where the data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments. Never a shell line, never a secret.
    pub argv: Vec<String>,
    pub env: Vec<(String, Value)>,
    /// What the program reads; `None` leaves its standard input closed.
    pub stdin: Option<String>,
}

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the workload itself, with its own tools.
    Workload,
    /// In a short-lived container of Ringbolt's own image that has the workload's volumes.
    Helper,
}

/// A value in a command's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Secret(SecretRef),
}

impl Command {
    pub fn new<const N: usize>(argv: [&str; N]) -> Self {
        Self { argv: argv.map(str::to_owned).into(), env: Vec::new(), stdin: None }
    }

    /// A script for `sh`, for what no single program does. It is a constant: what users wrote reaches
    /// it as `$1` and so on, by its environment or by its input. `program` is what it is for, in
    /// messages and as `$0`.
    pub fn script(program: &'static str, text: &'static str) -> Self {
        Self::new(["sh", "-c", text, program])
    }

    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.argv.push(argument.into());
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: Value) -> Self {
        self.env.push((name.to_owned(), value));
        self
    }

    #[must_use]
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// The program's name, for messages.
    pub fn program(&self) -> &str {
        let scripted = self.argv.len() > 3 && self.argv[..2] == ["sh", "-c"];
        self.argv.get(if scripted { 3 } else { 0 }).map_or("", String::as_str)
    }
}
