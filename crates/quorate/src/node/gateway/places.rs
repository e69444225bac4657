//! Places for requests under way, by their number and by their bytes.

use std::sync::Arc;

use quorate_core::gateway::RequestError;
use quorate_core::plan::Plans;
use quorate_model::tensor::Tensor;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::memory::{Allowance, Memory};

/// When to try again where more requests are under way than the gateway is given
/// at all.
const AGAIN_MS: u64 = 100;

/// Places for requests under way.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    most: usize,
    room: Allowance,
    /// Bytes of a request's results, as gathered and merged.
    result_bytes: usize,
}

/// A request's place, until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _one: OwnedSemaphorePermit,
    _room: OwnedSemaphorePermit,
}

impl Places {
    /// Places for so many requests at most, in so much memory.
    pub(super) fn new(plans: &Plans, most: usize, memory: Memory) -> Places {
        let result = plans.main().result().iter();
        let bytes = result.map(|value| plans.values()[value.index()].bytes());
        Places {
            free: Arc::new(Semaphore::new(most)),
            most,
            room: Allowance::new(memory.kept()),
            result_bytes: 2 * bytes.sum::<usize>(),
        }
    }

    /// A place for a request with these inputs. One that is larger than all there
    /// is has it alone.
    pub(super) fn take(&self, inputs: &[Tensor]) -> Result<Place, RequestError> {
        let limit = self.most;
        let busy = RequestError::Busy { got: limit, limit, again_ms: AGAIN_MS };
        let one = self.free.clone().try_acquire_owned().map_err(|_| busy)?;
        let inputs: usize = inputs.iter().map(|tensor| tensor.data().len()).sum();
        let got = inputs.saturating_add(self.result_bytes);
        let full = RequestError::Full { got, limit: self.room.bytes(), again_ms: AGAIN_MS };
        let room = self.room.try_take(got).ok_or(full)?;
        Ok(Place { _one: one, _room: room })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use quorate_model::tensor::DType;

    use super::*;

    #[test]
    fn both_number_and_bytes_are_bounded() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/plans/alexnet-5.toml");
        let plans = Plans::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        let input = |bytes: usize| {
            vec![Tensor::new(DType::U8, vec![bytes], vec![0; bytes].into()).unwrap()]
        };
        let places = Places::new(&plans, 3, Memory::of(2 << 20));
        let half = places.take(&input(600 << 10)).unwrap();
        let error = places.take(&input(600 << 10)).unwrap_err();
        assert!(matches!(error, RequestError::Full { limit: 1_048_576, .. }), "{error}");
        let _small = [places.take(&input(1)).unwrap(), places.take(&input(1)).unwrap()];
        let error = places.take(&input(1)).unwrap_err();
        assert!(matches!(error, RequestError::Busy { got: 3, limit: 3, .. }), "{error}");
        drop((half, _small));
        assert!(places.take(&input(5 << 20)).is_ok(), "a large one, alone");
    }
}
