//! Collects the shards of a value until they suffice to make it whole.
//!
//! ```text
//! accept (shard) ... -> decide: short | wait until t | gathered -> assemble
//! ```
//!
//! The roster is the set of shards that the gateway asked everybody to use. A
//! gather waits for it, but no longer than `wait` after it first had shards
//! that suffice. Of copies, which are equal, it takes the first to arrive.
//! Once decided it never changes. Merging and decoding are left to
//! [`Gathered::assemble`], which a compute lane calls.

mod merge;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use quorate_code::ShardSet;
use quorate_model::region::Region;
use quorate_model::tensor::{Tensor, byte_len};

pub use merge::MergeError;

use crate::audit::{Audit, Checks};
use crate::id::{DeviceSet, StageId, ValueId};
use crate::plan::{Need, Plan, Sharding};
use crate::time::Time;
use quorate_model::region::{self, crop, whole};
use quorate_model::value::Value;

/// The shards of one value, as they arrive at one device.
#[derive(Debug)]
pub struct Gather {
    values: Arc<Vec<Value>>,
    plan: Arc<Plan>,
    value: ValueId,
    /// What of the value is wanted here; all of it if `None`.
    need: Option<Arc<Need>>,
    roster: ShardSet,
    have: ShardSet,
    /// Shards that may be used.
    usable: ShardSet,
    /// Shards of suspects.
    suspected: ShardSet,
    /// All payloads, where they are to be held against each other.
    kept: Option<Vec<Option<Bytes>>>,
    /// Are there shards that were made of decoded values?
    of_decoded: bool,
    /// Shards that will not come, as far as is known.
    given_up: ShardSet,
    /// Payloads by shard, until the gather is decided.
    shards: Vec<Option<Bytes>>,
    /// When the shards first sufficed.
    quorate_at: Option<Time>,
    /// From then until the whole roster was there.
    roster_gap: Option<Duration>,
    gathered: Option<Arc<Gathered>>,
}

/// What became of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Kept.
    Taken,
    /// Kept only to be held against the others.
    Aside,
    /// Not kept: it was there already.
    Duplicate,
    /// Not kept: the gather had been decided without it.
    Late,
}

/// Where a gather stands.
#[derive(Clone, Debug)]
pub enum Decision {
    /// More shards are needed.
    Short,
    /// The shards suffice but are not the roster: decide again at this time.
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
        Gather::of_part(values, plan, value, None, (members, suspects), Checks::default())
    }

    /// A gather of what `need` says of a value that is not coded.
    ///
    /// # Panics
    /// If the plan does not use the value.
    pub(crate) fn of_part(
        values: Arc<Vec<Value>>,
        plan: Arc<Plan>,
        value: ValueId,
        need: Option<Arc<Need>>,
        (members, suspects): (DeviceSet, DeviceSet),
        checks: Checks,
    ) -> Gather {
        let sharding = plan.sharding(value).expect("a value of the plan");
        let mut roster = sharding.roster(members, suspects);
        if let Some(need) = &need {
            roster = roster.iter().filter(|shard| !need.pieces[*shard].is_empty()).collect();
        }
        let shards = vec![None; sharding.code.shards()];
        let suspected = sharding.shards_of(members, suspects);
        let all = ShardSet::first(shards.len());
        let usable = if checks.strict { all.without(suspected).union(roster) } else { all };
        let audited = checks.audit && need.is_none() && sharding.has_spares();
        let kept = audited.then(|| shards.clone());
        Gather {
            values,
            plan,
            value,
            need,
            roster,
            have: ShardSet::new(),
            of_decoded: false,
            given_up: ShardSet::new(),
            usable,
            suspected,
            kept,
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
            && self.missing().is_empty()
        {
            self.roster_gap = Some(now.since(quorate_at));
        }
        if !self.usable.contains(shard) {
            return Accepted::Late;
        }
        let kept = self.kept.as_mut().map(|kept| kept[shard] = Some(payload.clone())).is_some();
        if self.gathered.is_some() {
            return if kept { Accepted::Aside } else { Accepted::Late };
        }
        self.shards[shard] = Some(payload);
        Accepted::Taken
    }

    /// Shards that are here and may be used.
    fn here(&self) -> ShardSet {
        self.have.intersection(self.usable)
    }

    /// Has every shard come that anybody expects, and are they kept?
    pub(crate) fn is_audit_due(&self) -> bool {
        let never = self.given_up.union(self.suspected).union(self.have);
        self.kept.is_some() && ShardSet::first(self.shards.len()).is_subset(never)
    }

    /// Are shards kept to be held against each other?
    pub(crate) fn is_audited(&self) -> bool {
        self.kept.is_some()
    }

    /// All shards that have come, to be held against each other; only once.
    pub(crate) fn audit(&mut self) -> Option<Audit> {
        let kept = self.kept.take()?;
        let audit = Audit::new(self.values.clone(), self.plan.clone(), self.value, kept);
        Some(audit.of_decoded(self.of_decoded))
    }

    /// Takes note of whether a shard of which this became was made of decoded values.
    pub(crate) fn note_decoded(&mut self, accepted: Accepted, of_decoded: bool) {
        self.of_decoded |= of_decoded && matches!(accepted, Accepted::Taken | Accepted::Aside);
    }

    /// Do the shards that are here suffice for what is wanted?
    fn is_sufficient(&self) -> bool {
        let sharding = self.sharding();
        let Some(need) = &self.need else { return sharding.suffices(self.here()) };
        if sharding.is_area() {
            return need.is_covered(self.here());
        }
        let there = |data| self.here().iter().any(|shard| sharding.data_of(shard) == Some(data));
        (0..sharding.code.data_shards()).all(|data| need.pieces[data].is_empty() || there(data))
    }

    /// Decides which shards are used, if that can be decided at `now`.
    pub fn decide(&mut self, now: Time, wait: Duration) -> Decision {
        self.decide_without(now, wait, ShardSet::new())
    }

    /// As [`Gather::decide`], where there is no use in waiting for `missed`.
    pub(crate) fn decide_without(
        &mut self,
        now: Time,
        wait: Duration,
        missed: ShardSet,
    ) -> Decision {
        if let Some(gathered) = &self.gathered {
            return Decision::Gathered(gathered.clone());
        }
        let Some(quorate_at) = self.quorate_at else {
            return Decision::Short;
        };
        let used = if self.sharding().is_area() {
            // Boxes that overlap may be other ones than those asked for.
            self.here()
        } else if self.missing().is_empty() {
            self.roster
        } else if now < quorate_at + wait && self.is_worth_waiting(missed) {
            return Decision::WaitUntil(quorate_at + wait);
        } else {
            self.here()
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
            part: self.need.as_ref().and_then(|need| match need.boxes.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            }),
            used,
            of_decoded: self.of_decoded,
            shards,
            source: None,
            assembled: OnceLock::new(),
        });
        self.gathered = Some(gathered.clone());
        self.shards = vec![None; gathered.shards.len()];
        Decision::Gathered(gathered)
    }

    /// May what is missing of the roster still come, and make a difference?
    fn is_worth_waiting(&self, missed: ShardSet) -> bool {
        let missing = self.missing().without(self.given_up).without(missed);
        !missing.is_empty() && !self.sharding().is_replicated()
    }

    /// What of the roster is not here.
    pub(crate) fn missing(&self) -> ShardSet {
        self.roster.without(self.have)
    }

    /// When the shards first sufficed for what is wanted here.
    pub(crate) fn quorate_at(&self) -> Option<Time> {
        self.quorate_at
    }

    /// Does not wait for a shard any more. It is taken all the same if it comes
    /// in time.
    pub(crate) fn give_up(&mut self, shard: usize) {
        self.given_up.insert(shard);
    }

    /// Have shards arrived that suffice for what is wanted here?
    pub(crate) fn is_quorate(&self) -> bool {
        self.quorate_at.is_some()
    }

    /// Have shards arrived that suffice for the whole value? Never true where a
    /// part is gathered: of other parts nothing is known here.
    pub(crate) fn is_whole(&self) -> bool {
        self.need.is_none() && self.is_quorate()
    }

    /// The decision, once there is one.
    pub(crate) fn gathered(&self) -> Option<&Arc<Gathered>> {
        self.gathered.as_ref()
    }

    /// Shards that have arrived.
    pub(crate) fn have(&self) -> ShardSet {
        self.have
    }

    /// The time between the first shards that sufficed and the whole roster,
    /// once both were there.
    pub(crate) fn roster_gap(&self) -> Option<Duration> {
        self.roster_gap
    }

    /// Lets go of the payloads. Which shards have arrived is still known.
    pub(crate) fn release(&mut self) {
        self.shards.iter_mut().for_each(|shard| *shard = None);
        (self.gathered, self.kept) = (None, None);
    }
}

/// A decided gather: shards from which the value, or the wanted part of it,
/// can be assembled.
#[derive(Debug)]
pub struct Gathered {
    values: Arc<Vec<Value>>,
    plan: Arc<Plan>,
    value: ValueId,
    /// What of the value was gathered; all of it if `None`.
    need: Option<Arc<Need>>,
    /// The only box of the value that this is; all that was gathered if `None`.
    part: Option<Region>,
    used: ShardSet,
    /// Was any of its shards made of decoded values?
    of_decoded: bool,
    shards: Vec<Option<Bytes>>,
    /// The gathered value that this is a part of, in place of shards.
    source: Option<Arc<Gathered>>,
    /// The tensor, once somebody has asked for it.
    assembled: OnceLock<Result<Tensor, MergeError>>,
}

impl Gathered {
    /// A value that nothing need be assembled for.
    pub fn of_tensor(
        values: Arc<Vec<Value>>,
        plan: Arc<Plan>,
        value: ValueId,
        tensor: Tensor,
    ) -> Gathered {
        let (need, part, source) = (None, None, None);
        let (used, of_decoded, shards) = (ShardSet::new(), false, Vec::new());
        let assembled = OnceLock::from(Ok(tensor));
        Gathered { values, plan, value, need, part, used, of_decoded, shards, source, assembled }
    }

    /// The part `region` of what was gathered.
    pub fn part(self: &Arc<Gathered>, region: &Region) -> Arc<Gathered> {
        if self.part.as_ref() == Some(region) {
            return self.clone();
        }
        Arc::new(Gathered {
            values: self.values.clone(),
            plan: self.plan.clone(),
            value: self.value,
            need: self.need.clone(),
            part: Some(region.clone()),
            used: self.used,
            of_decoded: self.of_decoded,
            shards: Vec::new(),
            source: Some(self.clone()),
            assembled: OnceLock::new(),
        })
    }

    /// The shards it is made of.
    #[cfg(test)]
    pub(crate) fn used(&self) -> ShardSet {
        self.used
    }

    /// Is a data shard decoded because neither it nor a copy of it is there?
    pub(crate) fn is_decoded(&self) -> bool {
        merge::missing(self.sharding(), self.need.as_deref(), self.used).next().is_some()
    }

    /// May others have it slightly differently, as they decode it from other
    /// shards, or what its shards were made of?
    pub(crate) fn varies(&self) -> bool {
        self.of_decoded || self.is_decoded()
    }

    /// Bytes of the value, or of the wanted part of it.
    pub(crate) fn merged_bytes(&self) -> usize {
        let value = &self.values[self.value.index()];
        let bytes = |shape: &[usize]| byte_len(value.dtype, shape).unwrap_or(usize::MAX);
        match (&self.part, &self.need) {
            (Some(part), _) => bytes(&region::shape(part)),
            (None, Some(need)) => need.boxes.iter().map(|part| bytes(&region::shape(part))).sum(),
            (None, None) => bytes(&value.shape),
        }
    }

    /// Merges the shards into the value, or the wanted part of it, and decodes
    /// those that are missing. The first call computes; later ones return the
    /// same tensor.
    pub fn assemble(&self) -> Result<Tensor, MergeError> {
        let merge = || {
            let value = &self.values[self.value.index()];
            let Some((source, wanted)) = self.source.as_ref().zip(self.part.as_ref()) else {
                return self.merge(self.part.as_ref());
            };
            let Some(from) = source.whole_box(value) else {
                // Boxes apart from each other are no tensor together.
                return source.merge(Some(wanted));
            };
            let name = || value.name.clone();
            let wrong = |source| MergeError::Tensor { value: name(), source };
            crop(&source.assemble()?, &from, wanted).map_err(wrong)
        };
        self.assembled.get_or_init(merge).clone()
    }

    /// The only box that was gathered; `None` where there are several.
    fn whole_box(&self, value: &Value) -> Option<Region> {
        match &self.need {
            None => Some(whole(&value.shape)),
            Some(_) => self.part.clone(),
        }
    }

    /// The box `wanted` of the value, or all of it, out of the shards.
    fn merge(&self, wanted: Option<&Region>) -> Result<Tensor, MergeError> {
        let value = &self.values[self.value.index()];
        let pieces = self.need.as_deref();
        merge::merge(value, self.sharding(), (wanted, pieces), self.used, &self.shards)
    }

    fn sharding(&self) -> &Sharding {
        self.plan.sharding(self.value).expect("a value of the plan")
    }
}

/// The inputs of a task, in order: of each value that its stage reads the part
/// that its plan names, or all of it. `None` where a value is not gathered.
pub fn task_inputs(
    plan: &Plan,
    stage: StageId,
    shard: usize,
    gathered: impl Fn(ValueId) -> Option<Arc<Gathered>>,
) -> Option<Vec<Arc<Gathered>>> {
    let input = |value: &ValueId| {
        let part = plan.part_read(stage, shard, *value);
        let whole = gathered(*value)?;
        Some(part.map_or_else(|| whole.clone(), |part| whole.part(part)))
    };
    plan.stages()[stage.index()].reads.iter().map(input).collect()
}

#[cfg(test)]
mod tests;
