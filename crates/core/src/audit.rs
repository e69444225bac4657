//! Holds the shards of a value against each other.
//!
//! Where more shards have arrived than decoding needs, those that are right fit
//! together but for rounding ([`Code::first_excess_f32`]). How much rounding there is
//! depends on the layer, the engine and the type that travels; so it is learned
//! when a bundle is packed ([`Usual`]), relative to the size of the values.
//!
//! [`Code::first_excess_f32`]: quorate_code::Code::first_excess_f32

mod checks;
mod usual;
mod verify;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use quorate_code::ShardSet;
use quorate_model::tensor::{DType, read_f32};
use quorate_model::value::Value;

pub use checks::Checks;
pub use usual::Usual;
pub use verify::{Verified, Verify};

use crate::half::{ROUNDING_F16, SMALLEST_F16, widen};
use crate::id::{SeatId, ValueId};
use crate::plan::{Plan, Sharding};

/// Name of the file in a device's folder that says how far apart healthy shards
/// are.
pub const AUDITS_FILE: &str = "audits.toml";

/// How many times as far apart as healthy shards were ever seen is wrong: bounds
/// of this kind that never err are 7 to 20 times the true rounding.
const TOO_FAR: f64 = 8.0;
/// The same where some were made of decoded values: how far apart these are varies
/// more.
const TOO_FAR_DECODED: f64 = 20.0;
/// What such are held to differ by at least, where nothing is rounded on its way:
/// the rounding of several shards.
const LEAST_DECODED: f64 = 4e-6;
/// So many times as far apart is nothing that anybody would call wrong: devices
/// without whose shards the others are that near are suspects before others.
const NEAR: f64 = 2.0;

/// What an audit found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Some shards are needed whatever they say, so that they could not be
    /// checked. What could be fits together.
    Unchecked,
    /// All were checked, and fit together.
    Clean,
    /// They do not: these are of the devices that are wrong, if only one is. More
    /// than one is wrong where there is none.
    Corrupt(ShardSet),
}

/// What came of the audit of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audited {
    /// The value.
    pub value: ValueId,
    /// The shards that were held against each other.
    pub have: ShardSet,
    /// What was found.
    pub finding: Finding,
}

/// Who makes a shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Maker {
    Seat(SeatId),
    Nobody(usize),
}

/// Shards of one value, to be held against each other. This reads every byte of
/// them, so it is done where tasks run.
pub struct Audit {
    values: Arc<Vec<Value>>,
    plan: Arc<Plan>,
    value: ValueId,
    have: ShardSet,
    shards: Vec<Option<Bytes>>,
    of_decoded: bool,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audit({:?}, {:?})", self.value, self.have)
    }
}

impl Audit {
    /// An audit of the shards of `value` that are here.
    pub fn new(
        values: Arc<Vec<Value>>,
        plan: Arc<Plan>,
        value: ValueId,
        shards: Vec<Option<Bytes>>,
    ) -> Audit {
        let here = shards.iter().enumerate().filter(|(_, shard)| shard.is_some());
        let have = here.map(|(index, _)| index).collect();
        Audit { values, plan, value, have, shards, of_decoded: false }
    }

    /// The same of shards some of which were made of decoded values, or were not.
    pub fn of_decoded(self, of_decoded: bool) -> Audit {
        Audit { of_decoded, ..self }
    }

    /// How far apart healthy ones are, relative to their size; `None` where that
    /// is not known, and they cannot be checked.
    pub fn usual(&self, known: &Usual) -> Option<f64> {
        let seen = known.of(self.plan.id(), self.value, self.of_decoded)?;
        let least = match (self.of_decoded, self.sharding().wire) {
            (false, _) => 0.0,
            // What is made of numbers that are off by some roundings is so by half
            // a one at least.
            (true, DType::F16) => ROUNDING_F16 / 2.0,
            (true, _) => LEAST_DECODED,
        };
        Some(seen.max(least))
    }

    /// Takes note of how far apart they are, which are healthy.
    pub fn teach(&self, known: &mut Usual) {
        let discrepancy = self.discrepancy().unwrap_or(0.0);
        known.saw(self.plan.id(), self.value, self.of_decoded, discrepancy);
    }

    /// The value.
    pub fn value(&self) -> ValueId {
        self.value
    }

    /// The shards that are here.
    pub fn have(&self) -> ShardSet {
        self.have
    }

    fn form(&self) -> &Value {
        &self.values[self.value.index()]
    }

    fn sharding(&self) -> &Sharding {
        self.plan.sharding(self.value).expect("a value of the plan")
    }

    /// What to tell of it, where `usual` is how far apart healthy ones are.
    pub fn audited(&self, usual: f64) -> Audited {
        Audited { value: self.value, have: self.have, finding: self.find(usual) }
    }

    /// Holds them against each other, where `usual` is how far apart healthy
    /// ones are, relative to their size.
    pub fn find(&self, usual: f64) -> Finding {
        if !self.sharding().code.is_decodable(self.have) {
            return Finding::Unchecked;
        }
        if self.form().dtype != DType::F32 {
            return self.compare_copies();
        }
        let shards = self.numbers();
        let broken: ShardSet =
            self.have.iter().filter(|i| shards[*i].iter().any(|v| !v.is_finite())).collect();
        match self.makers_of(broken).len() {
            0 => {}
            1 => return Finding::Corrupt(broken),
            // More than one device makes them: so does the model itself.
            _ => return Finding::Unchecked,
        }
        let size = self.size(&shards);
        let too_far = if self.of_decoded { TOO_FAR_DECODED } else { TOO_FAR };
        let error = |times: f64| times * usual * size + self.smallest();
        match self.judge(|have| self.fits(&shards, have, error(too_far))) {
            // Of decoded values healthy ones are often farther apart than was seen.
            Finding::Corrupt(suspects) if !self.of_decoded => {
                let fits = |rest| self.fits(&shards, rest, error(NEAR)) != Some(false);
                let nearer = self.without_makers(suspects, fits);
                Finding::Corrupt(if nearer.is_empty() { suspects } else { nearer })
            }
            finding => finding,
        }
    }

    /// The unit roundoff of what shards travel as, where that is not their own.
    fn rounded(&self) -> f64 {
        if self.sharding().wire == DType::F16 { ROUNDING_F16 } else { 0.0 }
    }

    /// What rounding does to numbers near zero.
    fn smallest(&self) -> f64 {
        if self.sharding().wire == DType::F16 { SMALLEST_F16 } else { 0.0 }
    }

    /// What follows from whether shards fit together; `None` where they do not
    /// suffice to tell.
    fn judge(&self, fits: impl Fn(ShardSet) -> Option<bool>) -> Finding {
        match fits(self.have) {
            Some(true) if self.sharding().code.checked(self.have) == self.have => Finding::Clean,
            Some(false) => {
                let suspects = self.without_makers(self.have, |rest| fits(rest) != Some(false));
                Finding::Corrupt(suspects)
            }
            _ => Finding::Unchecked,
        }
    }

    /// Do these shards fit together, of every block? `None` where they do not
    /// suffice to tell.
    fn fits(&self, shards: &[Vec<f32>], have: ShardSet, error: f64) -> Option<bool> {
        let code = &self.sharding().code;
        for block in 0..self.form().blocks() {
            let part = |i: usize| self.block(shards, block, i);
            if code.first_excess_f32(have, part, self.rounded(), |_| error).ok()?.is_some() {
                return Some(false);
            }
        }
        Some(true)
    }

    /// The shards of those makers of `some` without whose shards the others fit
    /// together: a device may make several.
    fn without_makers(&self, some: ShardSet, fits: impl Fn(ShardSet) -> bool) -> ShardSet {
        let of = |maker: Maker| self.have.iter().filter(move |i| self.maker(*i) == maker);
        let makers = self.makers_of(some).into_iter();
        let wrong = makers.filter(|maker| fits(self.have.without(of(*maker).collect())));
        wrong.flat_map(of).collect()
    }

    fn makers_of(&self, shards: ShardSet) -> BTreeSet<Maker> {
        shards.iter().map(|shard| self.maker(shard)).collect()
    }

    /// Who makes a shard. What nobody makes, each by itself.
    fn maker(&self, shard: usize) -> Maker {
        self.sharding().seats.get(shard).map_or(Maker::Nobody(shard), |seat| Maker::Seat(*seat))
    }

    /// How far apart they are, relative to their size, beyond what rounding does
    /// on their way; `None` where nothing can be said.
    pub fn discrepancy(&self) -> Option<f64> {
        if self.form().dtype != DType::F32 {
            return None;
        }
        let shards = self.numbers();
        let size = self.size(&shards);
        let of = |block| {
            let part = |i: usize| self.block(&shards, block, i);
            self.sharding().code.discrepancy_f32(self.have, part, self.rounded()).ok().flatten()
        };
        let largest =
            (0..self.form().blocks()).map(of).try_fold(0f64, |most, one| Some(most.max(one?)))?;
        let beyond = (largest - self.smallest()).max(0.0);
        Some(if beyond == 0.0 { 0.0 } else { beyond / size })
    }

    /// Copies of what is not f32 are alike to the last bit.
    fn compare_copies(&self) -> Finding {
        let sharding = self.sharding();
        if !sharding.is_replicated() {
            return Finding::Unchecked;
        }
        let fits = |have: ShardSet| {
            let pair = |i: usize, j: usize| sharding.data_of(i) == sharding.data_of(j);
            let like = |i, j| !pair(i, j) || self.shards[i] == self.shards[j];
            Some(have.iter().all(|i| have.iter().all(|j| like(i, j))))
        };
        self.judge(fits)
    }

    /// Elements of each shard that is here, as f32.
    fn numbers(&self) -> Vec<Vec<f32>> {
        let narrow = self.sharding().wire == DType::F16;
        let read = |shard: &Option<Bytes>| match shard {
            Some(shard) if narrow => read_f32(&widen(shard)),
            Some(shard) => read_f32(shard),
            None => Vec::new(),
        };
        self.shards.iter().map(read).collect()
    }

    /// The middle of the shards' largest values: one that is wrong does not
    /// change it much.
    fn size(&self, shards: &[Vec<f32>]) -> f64 {
        let largest = |i: usize| shards[i].iter().fold(0f32, |most, v| most.max(v.abs()));
        let mut sizes: Vec<f32> = self.have.iter().map(largest).collect();
        sizes.sort_unstable_by(f32::total_cmp);
        sizes.get(sizes.len().saturating_sub(1) / 2).copied().unwrap_or(0.0).into()
    }

    fn block<'a>(&self, shards: &'a [Vec<f32>], block: usize, shard: usize) -> &'a [f32] {
        let length = shards[shard].len() / self.form().blocks().max(1);
        &shards[shard][block * length..(block + 1) * length]
    }
}

#[cfg(test)]
mod tests;
