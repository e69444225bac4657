//! Collecting a value's shards until they are quorate.
//!
//! ```text
//! accept (shard) ... -> decide: short | wait until t | gathered -> tensor
//! ```
//!
//! A gather stays with the roster, the set of shards that the gateway asked
//! everybody to use, until `wait` has passed since it had any sufficient set.
//! Of copies the first to arrive is taken: they are equal.
//! Once decided it never changes. Merging and decoding happen where the
//! tensor is wanted, outside the state machine, once.

mod merge;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use quorate_code::ShardSet;
use quorate_model::need::Region;
use quorate_model::tensor::Tensor;

pub use merge::MergeError;

use crate::id::{DeviceSet, ValueId};
use crate::plan::{Plan, Sharding, Value};
use crate::region::{crop, whole};
use crate::time::Time;

/// One value's shards at one device.
#[derive(Debug)]
pub struct Gather {
    values: Arc<Vec<Value>>,
    plan: Arc<Plan>,
    value: ValueId,
    /// The part of the value that is wanted here; all of it if `None`.
    need: Option<Region>,
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
        Gather::of_part(values, plan, value, None, members, suspects)
    }

    /// A gather of the part `need` of a value that is not coded.
    ///
    /// # Panics
    /// If the plan does not use the value.
    pub fn of_part(
        values: Arc<Vec<Value>>,
        plan: Arc<Plan>,
        value: ValueId,
        need: Option<Region>,
        members: DeviceSet,
        suspects: DeviceSet,
    ) -> Gather {
        let sharding = plan.sharding(value).expect("a value of the plan");
        let mut roster = sharding.roster(members, suspects);
        if let Some(need) = &need {
            let form = &values[value.index()];
            let needed = |shard: &usize| sharding.sent(form, *shard, need).is_some();
            roster = roster.iter().filter(needed).collect();
        }
        let shards = vec![None; sharding.code.shards()];
        Gather {
            values,
            plan,
            value,
            need,
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
        if self.quorate_at.is_none() && self.is_sufficient() {
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

    /// Are there enough shards, or enough for the part that is wanted?
    fn is_sufficient(&self) -> bool {
        let sharding = self.sharding();
        let Some(need) = &self.need else { return sharding.code.is_decodable(self.have) };
        let value = &self.values[self.value.index()];
        let there = |data| self.have.iter().any(|shard| sharding.data_of(shard) == Some(data));
        (0..sharding.code.data_shards())
            .all(|data| sharding.sent(value, data, need).is_none() || there(data))
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
        } else if now < quorate_at + wait && !self.sharding().is_replicated() {
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
            need: self.need.clone(),
            used,
            shards,
            source: None,
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

/// A decided gather: enough shards to make the value whole.
#[derive(Debug)]
pub struct Gathered {
    values: Arc<Vec<Value>>,
    plan: Arc<Plan>,
    value: ValueId,
    need: Option<Region>,
    used: ShardSet,
    shards: Vec<Option<Bytes>>,
    /// What this is a part of.
    source: Option<Arc<Gathered>>,
    whole: OnceLock<Result<Tensor, MergeError>>,
}

impl Gathered {
    /// A value that is whole already.
    pub fn whole(
        values: Arc<Vec<Value>>,
        plan: Arc<Plan>,
        value: ValueId,
        tensor: Tensor,
    ) -> Gathered {
        let (need, source, whole) = (None, None, OnceLock::from(Ok(tensor)));
        let (used, shards) = (ShardSet::new(), Vec::new());
        Gathered { values, plan, value, need, used, shards, source, whole }
    }

    /// The part `region` of the value, which was gathered.
    pub fn part(self: &Arc<Gathered>, region: &Region) -> Arc<Gathered> {
        if self.need.as_ref() == Some(region) {
            return self.clone();
        }
        Arc::new(Gathered {
            values: self.values.clone(),
            plan: self.plan.clone(),
            value: self.value,
            need: Some(region.clone()),
            used: self.used,
            shards: Vec::new(),
            source: Some(self.clone()),
            whole: OnceLock::new(),
        })
    }

    /// Which value.
    pub fn value(&self) -> ValueId {
        self.value
    }

    /// The shards it is made of.
    pub fn used(&self) -> ShardSet {
        self.used
    }

    /// Was a data shard missing, and no copy of it there?
    pub fn is_decoded(&self) -> bool {
        let value = &self.values[self.value.index()];
        merge::missing(value, self.sharding(), self.need.as_ref(), self.used).next().is_some()
    }

    /// The value, or the part of it that was wanted: merged, and decoded where
    /// a data shard is missing. Computed at the first call.
    pub fn tensor(&self) -> Result<Tensor, MergeError> {
        let merge = || {
            let value = &self.values[self.value.index()];
            let Some((source, wanted)) = self.source.as_ref().zip(self.need.as_ref()) else {
                let need = self.need.as_ref();
                return merge::merge(value, self.sharding(), need, self.used, &self.shards);
            };
            let tensor = source.tensor()?;
            let from = source.need.clone().unwrap_or_else(|| whole(&value.shape));
            let name = || value.name.clone();
            let wrong = |source| MergeError::Tensor { value: name(), source };
            crop(&tensor, &from, wanted).map_err(wrong)
        };
        self.whole.get_or_init(merge).clone()
    }

    fn sharding(&self) -> &Sharding {
        self.plan.sharding(self.value).expect("a value of the plan")
    }
}

#[cfg(test)]
mod tests;
