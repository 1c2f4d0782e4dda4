//! Globals: what belongs to the server and to no database. What the server has already stays as it is.

use super::{Does, Prepared, Restored};
use crate::engine::{EngineError, GlobalsRestore};
use crate::job::{JobError, cat};

impl Prepared {
    pub(super) async fn plan_globals(&self) -> Result<Does, JobError> {
        let GlobalsRestore { created, kept, .. } = self.adapted().await?;
        Ok(Does::Globals { created, kept })
    }

    pub(super) async fn globals(&self) -> Result<Restored, JobError> {
        let GlobalsRestore { load, created, kept } = self.adapted().await?;
        self.answer(&load).await?;
        Ok(Restored::Globals { created, kept })
    }

    /// Reads the dump and leaves out what is there.
    async fn adapted(&self) -> Result<GlobalsRestore, JobError> {
        let dump = cat::text(&self.archive, &self.context.identities).await?;
        let engine = self.engine();
        let none = || EngineError::NoGlobals(engine.card().name.to_owned());
        let globals = engine.globals().ok_or_else(none)?;
        Ok(globals.adapt(&self.access(), &dump, &self.session.server)?)
    }
}
