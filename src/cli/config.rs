//! `config`: whether the settings are right, what applies, and which there are.

use super::printer::Printer;
use super::{Outcome, keys};
use crate::app::App;
use crate::settings;

/// Whoever gets here has an app, so everything is right.
pub(super) fn check(app: &App, printer: &Printer) -> Outcome {
    let effective = app.settings.effective();
    if printer.json {
        printer.data(&serde_json::json!({ "problems": [] }))?;
    } else {
        let given = effective.iter().filter(|shown| shown.origin != "default").count();
        printer.line(&format!("the settings are right: {given} given, the rest are defaults"))?;
    }
    let encryption = &app.settings.encryption;
    let lone = match &encryption.recipients[..] {
        [] => encryption.groups.values().any(|keys| keys::is_lone(keys)),
        keys => keys::is_lone(keys),
    };
    if lone {
        keys::warn_of_lone_key(printer);
    }
    Ok(Ok(()))
}

pub(super) fn show(app: &App, printer: &Printer) -> Outcome {
    let effective = app.settings.effective();
    if printer.json {
        printer.data(&effective)?;
    } else {
        let rows = effective.into_iter().map(|shown| [shown.key, shown.value, shown.origin]);
        printer.table(["SETTING", "VALUE", "FROM"], rows.collect())?;
    }
    Ok(Ok(()))
}

pub(super) fn schema(printer: &Printer) -> Outcome {
    printer.data(&settings::schema())?;
    Ok(Ok(()))
}
