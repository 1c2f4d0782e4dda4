//! `doctor`: looks at everything that a backup needs, and goes on where something is wrong.

use std::ffi::OsStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::printer::Printer;
use super::{Failure, Outcome, keys};
use crate::app::App;
use crate::job::doctor::{self, Finding, State};
use crate::job::survey;
use crate::model::ErrorKind;
use crate::settings::Written;
use crate::transport::Stop;

#[derive(Serialize)]
struct FindingJson {
    subject: &'static str,
    state: &'static str,
    message: String,
    advice: Option<String>,
}

pub(super) async fn run(written: &Written, printer: &Printer, stop: Stop) -> Outcome {
    let mut findings = Vec::new();
    match App::open(written) {
        Ok(app) => examine(&app, written, stop, &mut findings).await,
        // Without settings nobody knows where Docker and the stores are.
        Err(problems) => {
            findings.extend(problems.iter().map(|problem| Finding::problem("settings", problem)));
        }
    }
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    print(printer, findings)?;
    Ok(if bad { Err(Failure(ErrorKind::Failed)) } else { Ok(()) })
}

async fn examine(app: &App, written: &Written, stop: Stop, findings: &mut Vec<Finding>) {
    let now = Timestamp::now();
    let zone = variable(written, "TZ");
    findings.extend(doctor::of_settings(&app.settings, zone));
    findings.extend(doctor::certificates(&app.settings, now));
    match keys::read(app, &[]) {
        Ok(identities) => findings.extend(doctor::keys(&app.settings, &identities)),
        Err(error) => findings.push(Finding::failed("keys", &error)),
    }
    findings.extend(doctor::renamed(&written.environment));
    findings.extend(doctor::way(&app.settings.docker, now));
    let stores = survey::stores(&app.stores, &app.signing).await;
    for finding in &stores {
        findings.extend(doctor::store(finding));
    }
    let asked = async {
        let context = app.connect(stop, Arc::new(|_| {})).await?;
        let mut found = doctor::docker(&context, now).await?;
        found.extend(doctor::unfinished(&context));
        found.extend(doctor::sources(&context, &stores, now).await?);
        Ok(found)
    };
    let asked: Result<Vec<Finding>, crate::job::JobError> = asked.await;
    match asked {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(Finding::failed("docker", &error)),
    }
}

fn variable<'a>(written: &'a Written, name: &str) -> Option<&'a str> {
    let found = written.environment.iter().find(|(own, _)| own == OsStr::new(name));
    found.and_then(|(_, value)| value.to_str()).filter(|value| !value.is_empty())
}

fn print(printer: &Printer, findings: Vec<Finding>) -> Result<(), super::CliError> {
    let word = |state: State| match state {
        State::Good => "good",
        State::Doubtful => "doubtful",
        State::Bad => "bad",
    };
    if printer.json {
        let json = |finding: Finding| FindingJson {
            subject: finding.subject,
            state: word(finding.state),
            message: finding.message,
            advice: finding.advice,
        };
        return printer.data(&findings.into_iter().map(json).collect::<Vec<_>>());
    }
    for Finding { subject, state, message, advice } in findings {
        printer.line(&format!("{:<9} {subject:<9} {message}", word(state)))?;
        if let Some(advice) = advice {
            printer.line(&format!("{:<9} {:<9} → {advice}", "", ""))?;
        }
    }
    Ok(())
}
