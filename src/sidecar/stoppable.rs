//! A store that stops handing out bytes when somebody asks: a thread that reads a large archive cannot
//! be ended from outside, but its next read can fail. Everything else is the store's own business.

use std::io::{self, Read};
use std::sync::Arc;

use crate::model::Slug;
use crate::store::{Claim, Key, Object, Orphans, Probe, Store, StoreError, Upload};
use crate::transport::Stop;

/// Whoever reads from it must not judge what fails after the stop.
#[derive(Debug)]
pub(super) struct Stoppable {
    pub(super) store: Arc<dyn Store>,
    pub(super) stop: Stop,
}

struct Reading {
    content: Box<dyn Read + Send>,
    stop: Stop,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stop.asked() {
            true => Err(io::Error::other("it was asked to stop")),
            false => self.content.read(buffer),
        }
    }
}

impl Store for Stoppable {
    fn name(&self) -> &Slug {
        self.store.name()
    }

    fn url(&self) -> String {
        self.store.url()
    }

    fn root(&self) -> String {
        self.store.root()
    }

    fn is_new(&self) -> bool {
        self.store.is_new()
    }

    fn claim(&self) -> Result<Claim, StoreError> {
        self.store.claim()
    }

    fn create(&self, key: &Key) -> Result<Box<dyn Upload>, StoreError> {
        self.store.create(key)
    }

    fn open(&self, key: &Key) -> Result<Box<dyn Read + Send>, StoreError> {
        let content = self.store.open(key)?;
        Ok(Box::new(Reading { content, stop: self.stop.clone() }))
    }

    fn list(&self) -> Result<Vec<Object>, StoreError> {
        self.store.list()
    }

    fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.store.delete(key)
    }

    fn sweep(&self, also: Orphans) -> Result<Vec<String>, StoreError> {
        self.store.sweep(also)
    }

    fn probe(&self) -> Result<Probe, StoreError> {
        self.store.probe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_any_more_once_it_was_asked_to_stop() {
        let (stopper, stop) = Stop::new();
        let mut reading = Reading { content: Box::new(io::repeat(1)), stop };
        let mut piece = [0; 4];
        assert_eq!(reading.read(&mut piece).unwrap(), 4);
        stopper.stop();
        let error = reading.read(&mut piece).unwrap_err();
        // That kind would be tried again for ever.
        assert_ne!(error.kind(), io::ErrorKind::Interrupted);
    }
}
