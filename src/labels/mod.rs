//! Labels: the product's face. Reads a workload's labels against a table and resolves them, within
//! what the operator offers, to plans, or to problems: all of them, never only the first.
//!
//! What a key means is one row in `rows.rs`, its values are read in `values.rs`; `read.rs` takes a
//! workload's labels apart, `resolve.rs` adds image, environment and the operator's `rules.rs`, and
//! `order.rs` looks at the fleet as a whole.

mod alias;
pub mod dialect;
mod digest_row;
mod fixed;
pub mod migrate;
mod order;
mod proof_rows;
mod read;
mod resolve;
mod rows;
mod rules;
mod safety;
mod schema;
mod table;
mod values;

pub use resolve::{Fleet, Target, recipients, resolve, target};
pub use rows::LABELS;
pub use rules::Rules;
pub use safety::before_restore;
pub use schema::schema;
pub use table::{Label, Shape};
