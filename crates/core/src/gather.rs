//! Collecting a value's shards until they are quorate.
//!
//! ```text
//! accept (shard) ... -> decide: short | wait until t | gathered -> tensor
//! ```
//!
//! A gather stays with the roster, the set of shards that the gateway asked
//! everybody to use, until `wait` has passed since it had any sufficient set.
//! Once decided it never changes. Merging and decoding happen where the
//! tensor is wanted, outside the state machine, once.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use quorate_code::{CodeError, ShardSet};
use quorate_model::tensor::{DType, Tensor, TensorError, read_f32};

use crate::id::{DeviceSet, ValueId};
use crate::plan::{Plan, Sharding, Value};
use crate::time::Time;

/// One value's shards at one device.
#[derive(Debug)]
pub struct Gather {
    values: Arc<Vec<Value>>,
    plan: Arc<Plan>,
    value: ValueId,
    roster: ShardSet,
    have: ShardSet,
    shards: Vec<Option<Bytes>>,
    quorate_at: Option<Time>,
    roster_gap: Option<Duration>,
    gathered: Option<Arc<Gathered>>,
}

/// What became of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It counts.
    Taken,
    /// It was there already.
    Duplicate,
    /// The gather had been decided without it.
    Late,
}

/// Where a gather stands.
#[derive(Clone, Debug)]
pub enum Decision {
    /// More shards are needed.
    Short,
    /// Sufficient, but not the roster: decide again at this time.
    WaitUntil(Time),
    /// Decided.
    Gathered(Arc<Gathered>),
}

impl Gather {
    /// A gather of `value`, whose roster leaves out `suspects`.
    ///
    /// # Panics
    /// If the plan does not use the value.
    pub fn new(
        values: Arc<Vec<Value>>,
        plan: Arc<Plan>,
        value: ValueId,
        members: DeviceSet,
        suspects: DeviceSet,
    ) -> Gather {
        let sharding = plan.sharding(value).expect("a value of the plan");
        let roster = sharding.roster(members, suspects);
        let shards = vec![None; sharding.code.shards()];
        Gather {
            values,
            plan,
            value,
            roster,
            have: ShardSet::new(),
            shards,
            quorate_at: None,
            roster_gap: None,
            gathered: None,
        }
    }

    fn sharding(&self) -> &Sharding {
        self.plan.sharding(self.value).expect("a value of the plan")
    }

    /// Takes in a shard's payload, whose length has been checked.
    pub fn accept(&mut self, now: Time, shard: usize, payload: Bytes) -> Accepted {
        if self.have.contains(shard) {
            return Accepted::Duplicate;
        }
        self.have.insert(shard);
        if self.quorate_at.is_none() && self.sharding().code.is_decodable(self.have) {
            self.quorate_at = Some(now);
        }
        if let Some(quorate_at) = self.quorate_at
            && self.roster_gap.is_none()
            && self.roster.without(self.have).is_empty()
        {
            self.roster_gap = Some(now.since(quorate_at));
        }
        if self.gathered.is_some() {
            return Accepted::Late;
        }
        self.shards[shard] = Some(payload);
        Accepted::Taken
    }

    /// Decides, if it can be by now.
    pub fn decide(&mut self, now: Time, wait: Duration) -> Decision {
        if let Some(gathered) = &self.gathered {
            return Decision::Gathered(gathered.clone());
        }
        let Some(quorate_at) = self.quorate_at else {
            return Decision::Short;
        };
        let used = if self.roster.without(self.have).is_empty() {
            self.roster
        } else if now < quorate_at + wait {
            return Decision::WaitUntil(quorate_at + wait);
        } else {
            self.have
        };
        let mut shards = std::mem::take(&mut self.shards);
        for (index, shard) in shards.iter_mut().enumerate() {
            if !used.contains(index) {
                *shard = None;
            }
        }
        let gathered = Arc::new(Gathered {
            values: self.values.clone(),
            plan: self.plan.clone(),
            value: self.value,
            used,
            shards,
            whole: OnceLock::new(),
        });
        self.gathered = Some(gathered.clone());
        self.shards = vec![None; gathered.shards.len()];
        Decision::Gathered(gathered)
    }

    /// Has any sufficient set of shards arrived?
    pub fn is_quorate(&self) -> bool {
        self.quorate_at.is_some()
    }

    /// The decision, once there is one.
    pub fn gathered(&self) -> Option<&Arc<Gathered>> {
        self.gathered.as_ref()
    }

    /// Shards that have arrived.
    pub fn have(&self) -> ShardSet {
        self.have
    }

    /// The time between the first sufficient set and the full roster, once
    /// both were there.
    pub fn roster_gap(&self) -> Option<Duration> {
        self.roster_gap
    }

    /// Lets go of the payloads; the gather remembers what it has seen.
    pub fn release(&mut self) {
        self.shards.iter_mut().for_each(|shard| *shard = None);
        self.gathered = None;
    }
}

/// Why a gathered value cannot be made whole.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum MergeError {
    #[error("value {value}")]
    Code { value: String, source: CodeError },
    #[error("value {value}")]
    Tensor { value: String, source: TensorError },
    #[error("value {value} of {dtype} cannot be decoded, only f32 can")]
    Type { value: String, dtype: DType },
}

/// A decided gather: enough shards to make the value whole.
#[derive(Debug)]
pub struct Gathered {
    values: Arc<Vec<Value>>,
    plan: Arc<Plan>,
    value: ValueId,
    used: ShardSet,
    shards: Vec<Option<Bytes>>,
    whole: OnceLock<Result<Tensor, MergeError>>,
}

impl Gathered {
    /// Which value.
    pub fn value(&self) -> ValueId {
        self.value
    }

    /// The shards it is made of.
    pub fn used(&self) -> ShardSet {
        self.used
    }

    /// Was a data shard missing?
    pub fn is_decoded(&self) -> bool {
        let data = self.sharding().code.data_shards();
        !ShardSet::first(data).without(self.used).is_empty()
    }

    /// The whole value: merged, and decoded where a data shard is missing.
    /// Computed at the first call.
    pub fn tensor(&self) -> Result<Tensor, MergeError> {
        self.whole.get_or_init(|| self.merge()).clone()
    }

    fn sharding(&self) -> &Sharding {
        self.plan.sharding(self.value).expect("a value of the plan")
    }

    fn merge(&self) -> Result<Tensor, MergeError> {
        let value = &self.values[self.value.index()];
        let name = || value.name.clone();
        let shape = value.shape.clone();
        let wrong = |source| MergeError::Tensor { value: name(), source };
        if self.sharding().rows.len() == 1
            && let Some(whole) = &self.shards[0]
        {
            return Tensor::new(value.dtype, shape, whole.clone()).map_err(wrong);
        }
        if self.is_decoded() && value.dtype != DType::F32 {
            return Err(MergeError::Type { value: name(), dtype: value.dtype });
        }
        // Words of four bytes, so that f32 values can be decoded in place.
        let bytes = value.part_bytes(value.rows());
        let mut out = vec![0u32; bytes.div_ceil(4)];
        let blocks = Blocks::of(value);
        let flat: &mut [u8] = bytemuck::cast_slice_mut(&mut out);
        for (rows, shard) in self.sharding().rows.iter().zip(&self.shards) {
            let Some(shard) = shard else { continue };
            let length = rows.len() * blocks.row_bytes;
            for (outer, part) in shard.chunks_exact(length).enumerate() {
                let at = outer * blocks.outer_bytes + rows.start * blocks.row_bytes;
                flat[at..at + length].copy_from_slice(part);
            }
        }
        if self.is_decoded() {
            self.decode(bytemuck::cast_slice_mut(&mut out), &blocks)
                .map_err(|source| MergeError::Code { value: name(), source })?;
        }
        let data = Bytes::from_owner(Words(out)).slice(..bytes);
        Tensor::new(value.dtype, shape, data).map_err(wrong)
    }

    /// Recovers the missing data shards' rows of `out`, the whole value.
    fn decode(&self, out: &mut [f32], blocks: &Blocks) -> Result<(), CodeError> {
        let sharding = self.sharding();
        let decoder = sharding.decoder(self.used)?;
        let sources = decoder.sources();
        let needed = |(index, shard): (usize, &Option<Bytes>)| match shard {
            Some(shard) if sources.contains(index) => read_f32(shard),
            _ => Vec::new(),
        };
        let received: Vec<Vec<f32>> = self.shards.iter().enumerate().map(needed).collect();
        let (row, whole) = (blocks.row_bytes / 4, blocks.outer_bytes / 4);
        for missing in decoder.missing().iter() {
            let rows = &sharding.rows[missing];
            for outer in 0..out.len() / whole {
                let at = outer * whole + rows.start * row;
                let shard = |index: usize| {
                    let length = sharding.shard_rows(index).len() * row;
                    &received[index][outer * length..(outer + 1) * length]
                };
                decoder.recover_f32(missing, shard, &mut out[at..at + rows.len() * row])?;
            }
        }
        Ok(())
    }
}

/// A value's memory along its divided axis.
struct Blocks {
    row_bytes: usize,
    outer_bytes: usize,
}

impl Blocks {
    fn of(value: &Value) -> Blocks {
        let inner: usize = value.shape[value.axis + 1..].iter().product();
        let row_bytes = inner * value.dtype.size();
        Blocks { row_bytes, outer_bytes: row_bytes * value.rows() }
    }
}

struct Words(Vec<u32>);

impl AsRef<[u8]> for Words {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

#[cfg(test)]
mod tests;
