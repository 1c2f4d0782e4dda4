//! Sources that the settings name: `sources.<name>`, with the same keys as labels, for containers that
//! nobody can label. They go the same way as labels do, under the key where they were written.

use super::Rules;
use super::read::jobs;
use crate::model::{Environment, Problem, Slug, Workload, nearest};
use crate::settings::{Policy, Settings, SourceSettings};

/// One source of the settings.
#[derive(Debug, Clone)]
pub(super) struct Fixed {
    name: Slug,
    source: SourceSettings,
    /// Where it was written.
    origin: String,
}

/// Takes the sources of the settings over.
pub(super) fn all(settings: &Settings) -> Vec<Fixed> {
    let fixed = |(name, source): (&Slug, &SourceSettings)| {
        let origin = settings.origin(&format!("sources.{name}.container"));
        Fixed { name: name.clone(), source: source.clone(), origin }
    };
    settings.sources.iter().map(fixed).collect()
}

impl Fixed {
    pub(super) fn container(&self) -> &str {
        &self.source.container
    }

    /// What is wrong with its labels, whatever container they are for.
    pub(super) fn check(&self, rules: &Rules) -> Vec<Problem> {
        let any = Workload {
            id: String::new(),
            name: self.source.container.clone(),
            image: String::new(),
            image_digest: String::new(),
            labels: std::collections::BTreeMap::new(),
            env: Environment::default(),
            running: true,
            created: String::new(),
        };
        match self.labelled(rules, std::slice::from_ref(&any)) {
            Err(problem) => vec![*problem],
            Ok((rules, workload)) => {
                let jobs = jobs(&rules, &workload).unwrap_or_default();
                let problems = jobs.into_iter().flat_map(|job| job.problems);
                problems.map(|own| Problem { place: self.origin.clone(), ..own }).collect()
            }
        }
    }

    /// The container as if it were labelled so, and the rules under which these labels are read: who
    /// writes the settings is not bound by what they let labels say.
    ///
    /// # Errors
    /// A problem if there is no such container.
    pub(super) fn labelled(
        &self,
        rules: &Rules,
        workloads: &[Workload],
    ) -> Result<(Rules, Workload), Box<Problem>> {
        let key = format!("sources.{}", self.name);
        let found = workloads.iter().find(|workload| workload.name == self.source.container);
        let Some(found) = found else {
            let near = nearest(&self.source.container, workloads.iter().map(|w| w.name.as_str()));
            let problem = Problem::new(&self.origin, "there is no such container");
            let problem = problem.key(format!("{key}.container")).value(&self.source.container);
            return Err(Box::new(problem.suggest(near)));
        };
        let prefix: Slug = key.parse().map_err(|error| {
            let problem = Problem::new(&self.origin, format!("its name cannot be used: {error}"));
            Box::new(problem.key(&key))
        })?;
        let given = self.source.labels.iter();
        let mut labels: std::collections::BTreeMap<String, String> =
            given.map(|(label, value)| (format!("{key}.{label}"), value.clone())).collect();
        for (label, value) in [("enable", "true"), ("name", self.name.as_str())] {
            labels.entry(format!("{key}.{label}")).or_insert_with(|| value.to_owned());
        }
        let rules = Rules { prefix, policy: Policy::free(), ..rules.clone() };
        Ok((rules, Workload { labels, ..found.clone() }))
    }
}
