//! What every error of the house can say of itself: its kind, whether a retry helps, what to do.
//!
//! The kinds map to exit codes in `cli/`, and to metrics and notifications later.

/// What failed, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// A setting, a label or an argument is wrong.
    Usage,
    /// Something that was asked for did not work.
    Failed,
    /// The Docker engine does not answer.
    DockerUnreachable,
    /// A store does not answer.
    StoreUnreachable,
    /// Somebody asked us to stop.
    Interrupted,
}

/// An error and what caused it, on one line. A cause that its effect already tells is not said twice.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !said.contains(&words) {
            said.push_str(": ");
            said.push_str(&words);
        }
        cause = error.source();
    }
    said
}

/// An error that can explain itself.
pub trait Explain: std::error::Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Failed
    }

    /// Whether the same act may work a little later.
    fn retry(&self) -> bool {
        false
    }

    /// What to do about it, as a sentence of its own.
    fn hint(&self) -> Option<String> {
        None
    }
}
