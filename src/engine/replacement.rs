//! Replacing what is there, and what a restore that was killed has left: what an engine can do about
//! either. It knows no order of steps, nor when they are taken.

use crate::model::Command;

/// How a database that is not empty gives way to a restored one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replacement {
    /// The new one is filled beside it. Then both change their names in one step, and at no moment is
    /// there none.
    Swap {
        /// Says the new one's properties, ends whoever is connected to the old one, and gives each its name.
        settle: Command,
        /// Removes the old one.
        remove: Command,
    },
    /// The old one is removed, and the new one filled under the same name.
    Refill { remove: Command },
    /// It does not. Why, and what to do instead.
    Never(&'static str),
}

/// How something that a dead restore left is told from what is in use, and removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Counts who is connected.
    pub users: Command,
    /// Removes it; fails if somebody is connected after all.
    pub remove: Command,
}
