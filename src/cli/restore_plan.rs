//! The plan of a restore, for people before anything is touched, and as data for `--dry-run --json`.

use jiff::Timestamp;
use serde::Serialize;

use super::CliError;
use super::printer::Printer;
use super::restore::list;
use crate::job::restore::{Does, RestorePlan, There};
use crate::model::units::count;
use crate::model::{ArchiveId, DatabaseName, TableRows};

#[derive(Serialize)]
struct PlanJson<'a> {
    version: u32,
    archive: &'a str,
    proof: String,
    source: &'a str,
    part: String,
    engine: &'a str,
    started_at: Timestamp,
    rows: u64,
    from_version: &'a str,
    container: &'a str,
    into_version: &'a str,
    /// `null`: globals.
    database: Option<&'a str>,
    /// `nothing`, `empty` or `filled`.
    there: &'static str,
    /// `create`, `fill`, `swap`, `refill`, `tables` or `globals`.
    does: &'static str,
    tables: Vec<String>,
    created: &'a [String],
    kept: &'a [String],
    safety: Option<SafetyJson<'a>>,
    leftovers: Vec<LeftoverJson<'a>>,
    unfinished: Vec<&'a str>,
}

#[derive(Serialize)]
struct SafetyJson<'a> {
    source: &'a str,
    store: &'a str,
    encrypted: bool,
}

#[derive(Serialize)]
struct LeftoverJson<'a> {
    database: &'a str,
    removed: bool,
}

/// Prints a plan that is not followed.
pub(super) fn print(printer: &Printer, plan: &RestorePlan) -> Result<(), CliError> {
    if printer.json {
        return printer.data(&json(plan));
    }
    for line in lines(plan) {
        printer.line(&line)?;
    }
    Ok(printer.line("this is a dry run: nothing was changed")?)
}

/// A plan in lines for people.
pub(super) fn lines(plan: &RestorePlan) -> Vec<String> {
    let RestorePlan { archive, source, part, started_at, standing, engine, .. } = plan;
    let mut lines = Vec::new();
    let mut say = |name: &str, text: String| lines.push(format!("{name:<10} {text}"));
    say(
        "archive",
        format!("{archive} of {source}/{part}, started {started_at}, proof: {standing}"),
    );
    if plan.database.is_some() {
        say("holds", plan.facts.to_string());
    }
    say("from", format!("{engine} {}", plan.from_version));
    let named = plan.database.as_ref().map(|name| format!(", database {name}"));
    let (container, version) = (&plan.container, &plan.into_version);
    say("into", format!("{container}, {engine} {version}{}", named.unwrap_or_default()));
    if plan.database.is_some() {
        say(
            "there is",
            match &plan.there {
                There::Nothing => "nothing of that name".to_owned(),
                There::Empty => "an empty database".to_owned(),
                There::Filled(objects) => {
                    format!("a database that is not empty ({objects} counted)")
                }
            },
        );
    }
    if let Some(safety) = &plan.safety {
        let sealed = if safety.encrypted { "encrypted" } else { "not encrypted" };
        let (source, store) = (&safety.source, &safety.store);
        say("first", format!("it is backed up whole as {source} to store {store}, {sealed}"));
        say("", "what is written to it after that is lost".to_owned());
    }
    for leftover in &plan.leftovers {
        let name = &leftover.name;
        say(
            "left over",
            match (leftover.removed, leftover.users.as_str()) {
                (true, _) => {
                    format!("{name}, of a dead restore: nobody is connected, it is removed")
                }
                (false, "0") => {
                    format!("{name}, of a dead restore: it stays, for nothing took its place")
                }
                (false, "") => format!("{name}: whether anybody uses it cannot be known, it stays"),
                (false, users) => format!("{name}: it stays, {users} connected"),
            },
        );
    }
    if !plan.unfinished.is_empty() {
        let ids: Vec<&str> = plan.unfinished.iter().map(ArchiveId::as_str).collect();
        say(
            "unfinished",
            format!(
                "an earlier restore did not end; what was there before is in {}",
                ids.join(", then in ")
            ),
        );
    }
    say("then", does(plan));
    lines
}

fn does(plan: &RestorePlan) -> String {
    let into_new = match plan.there {
        There::Nothing => "into a new database, with the types and functions they need",
        _ => "into the database, beside what is there",
    };
    match &plan.does {
        Does::Create => "a new database is made, filled and compared with the archive".to_owned(),
        Does::Fill => "the empty database is filled and compared with the archive".to_owned(),
        Does::Swap => {
            "a new database is filled beside it and compared; applications are disconnected, \
                       both change their names in one step, and the old one is removed"
                .to_owned()
        }
        Does::Refill => {
            "the old one is removed, and a new one filled under its name and compared; \
                         meanwhile applications find a part or nothing"
                .to_owned()
        }
        Does::Tables { tables, about, .. } => {
            let shown: Vec<String> = tables.iter().map(TableRows::to_string).collect();
            let number = count(tables.len() as u64, "table");
            format!("{number} ({}) {into_new}, {about}", shown.join(", "))
        }
        Does::Globals { created, kept } => {
            format!("created is {}; left alone {}", list(created), list(kept))
        }
    }
}

fn json(plan: &RestorePlan) -> PlanJson<'_> {
    let (mut tables, mut created, mut kept) = (Vec::new(), &[][..], &[][..]);
    let does = match &plan.does {
        Does::Create => "create",
        Does::Fill => "fill",
        Does::Swap => "swap",
        Does::Refill => "refill",
        Does::Tables { tables: own, .. } => {
            let name = |table: &TableRows| format!("{}.{}", table.schema, table.table);
            tables = own.iter().map(name).collect();
            "tables"
        }
        Does::Globals { created: made, kept: left } => {
            (created, kept) = (made, left);
            "globals"
        }
    };
    PlanJson {
        version: 1,
        archive: plan.archive.as_str(),
        proof: plan.standing.to_string(),
        source: plan.source.as_str(),
        part: plan.part.to_string(),
        engine: &plan.engine,
        started_at: plan.started_at,
        rows: plan.facts.rows(),
        from_version: &plan.from_version,
        container: &plan.container,
        into_version: &plan.into_version,
        database: plan.database.as_ref().map(DatabaseName::as_str),
        there: match plan.there {
            There::Nothing => "nothing",
            There::Empty => "empty",
            There::Filled(_) => "filled",
        },
        does,
        tables,
        created,
        kept,
        safety: plan.safety.as_ref().map(|safety| SafetyJson {
            source: safety.source.as_str(),
            store: safety.store.as_str(),
            encrypted: safety.encrypted,
        }),
        leftovers: plan
            .leftovers
            .iter()
            .map(|own| LeftoverJson { database: own.name.as_str(), removed: own.removed })
            .collect(),
        unfinished: plan.unfinished.iter().map(ArchiveId::as_str).collect(),
    }
}
