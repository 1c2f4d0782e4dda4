//! The words of the house: names, plans, commands, facts, outcomes and error kinds. Nouns only.
//!
//! Nothing here decides, reads or writes. Every other room may import this one; it imports none.

pub mod census;
pub mod command;
pub mod error;
pub mod facts;
pub mod level;
pub mod name;
pub mod plan;
pub mod problem;
pub mod run;
pub mod secret;
pub mod server;
pub mod units;
pub mod workload;

pub use census::{Census, Difference};
pub use command::{Command, Place, Value};
pub use error::{ErrorKind, Explain, chain};
pub use facts::{Digest, Facts, Sum, TableRows};
pub use level::Level;
pub use name::{ArchiveId, DatabaseName, LONGEST_DATABASE, LONGEST_SLUG, NameError, Part, Slug};
pub use plan::{
    CERTIFICATE, Codec, Databases, DigestAt, Hold, Hooks, Keep, PASSPHRASE, Patterns, Plan,
    Priority, Schedule, is_certificate,
};
pub use problem::{Problem, nearest};
pub use run::{AlarmKind, Finding, Outcome, Trigger};
pub use secret::{Secret, SecretRef};
pub use server::{Database, DatabaseSetting, Grant, Server};
pub use workload::{Environment, Workload};
