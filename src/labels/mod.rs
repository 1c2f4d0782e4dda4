//! Labels: the product's face. Reads a workload's labels against a table and resolves them to a
//! plan, or to problems: all of them, never only the first.
//!
//! What a key means is one row in `table.rs`; how rows, image and environment become a plan is
//! `resolve.rs`. No label ever carries a command.

pub mod dialect;
pub mod migrate;
mod resolve;
mod table;

pub use resolve::{Fleet, Target, resolve, target};
pub use table::{LABELS, Label};
