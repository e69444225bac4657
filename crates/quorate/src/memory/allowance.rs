//! A number of bytes that many share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that are counted together.
const UNIT: usize = 1024;

/// A number of bytes of which parts are taken and given back. Who wants more than
/// there are gets all of them.
#[derive(Debug)]
pub(crate) struct Allowance {
    free: Arc<Semaphore>,
    units: u32,
}

impl Allowance {
    /// So many bytes.
    pub(crate) fn new(bytes: usize) -> Allowance {
        let most = Semaphore::MAX_PERMITS.min(u32::MAX as usize);
        let units = (bytes / UNIT).clamp(1, most);
        Allowance { free: Arc::new(Semaphore::new(units)), units: units as u32 }
    }

    /// How many there are in all.
    pub(crate) fn bytes(&self) -> usize {
        self.units as usize * UNIT
    }

    /// Takes so many, until what is returned is dropped; waits in turn.
    pub(crate) async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        self.free.clone().acquire_many_owned(self.units_of(bytes)).await.ok()
    }

    /// The same at once, if so many are there.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.free.clone().try_acquire_many_owned(self.units_of(bytes)).ok()
    }

    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units)
    }
}
