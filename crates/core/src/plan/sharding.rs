//! How a value is divided in one plan, and who makes each shard.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use quorate_code::{Code, CodeError, Decoder, Patterns, ShardSet, cache::DecoderCache};
use quorate_model::division::Division;
use quorate_model::division::whole::Whole;
use quorate_model::part::Part;
use quorate_model::region::{Region, covers, hull, shape};
use quorate_model::tensor::{DType, Tensor};
use quorate_model::value::Value;

use crate::half::{HalfError, narrow, widen};
use crate::id::{DeviceSet, SeatId, StageId};

/// Name of the code that copies shards.
pub(crate) const REPLICATION: &str = "replication";
/// Kinds of loss looked at to find how many devices a stage bears the loss of.
pub(super) const PATTERNS_MAX: u64 = 20_000;

/// How a value is divided in one plan, and who makes each shard.
#[derive(Clone, Debug)]
pub struct Sharding {
    /// The code over its shards.
    pub code: Arc<Code>,
    /// What its data shards are.
    pub division: Arc<dyn Division>,
    /// Seats of the data shards, then of the parity shards or replicas. Empty
    /// for an input, which the gateway sends whole.
    pub seats: Vec<SeatId>,
    /// The stage that makes it, `None` for an input.
    pub stage: Option<StageId>,
    /// Element type that its shards travel as.
    pub wire: DType,
    /// Decoders of the losses seen so far, found once each.
    decoders: Arc<Mutex<DecoderCache>>,
}

impl Sharding {
    /// A value divided so, whose shards `seats` make with `code`.
    pub(crate) fn new(
        code: Code,
        division: Arc<dyn Division>,
        seats: Vec<SeatId>,
        stage: Option<StageId>,
        wire: DType,
    ) -> Sharding {
        let decoders = Arc::new(Mutex::new(DecoderCache::new(code.clone())));
        Sharding { code: Arc::new(code), division, seats, stage, wire, decoders }
    }

    /// An input of the model, which the gateway sends, as this type.
    pub(crate) fn input(wire: DType) -> Sharding {
        let code = Code::uncoded(1).expect("one shard");
        Sharding::new(code, Arc::new(Whole), Vec::new(), None, wire)
    }

    /// Are the shards beyond the data copies of them?
    pub fn is_replicated(&self) -> bool {
        self.code.name() == REPLICATION
    }

    /// Are there parity shards that are no copies?
    pub(crate) fn is_coded(&self) -> bool {
        self.code.parity_shards() > 0 && !self.is_replicated()
    }

    /// Are its shards boxes of an area, each of which several may hold?
    pub(crate) fn is_area(&self) -> bool {
        self.division.area(0).is_some()
    }

    /// Is the value known where these shards are there?
    pub(crate) fn suffices(&self, shards: ShardSet) -> bool {
        if !self.is_area() {
            return self.code.is_decodable(shards);
        }
        let boxes = shards.iter().filter_map(|shard| self.division.area(self.data_of(shard)?));
        let all = (0..self.division.shards()).filter_map(|data| self.division.area(data).cloned());
        all.reduce(|a, b| hull(&a, &b)).is_some_and(|all| covers(boxes, &all))
    }

    /// Are there more shards than are needed, which stages make?
    pub(crate) fn has_spares(&self) -> bool {
        self.code.parity_shards() > 0 && !self.seats.is_empty()
    }

    /// The shards that some of `members` make.
    pub(crate) fn shards_of(&self, members: DeviceSet, some: DeviceSet) -> ShardSet {
        let of_some = |seat: &SeatId| members.nth(seat.index()).is_some_and(|d| some.contains(d));
        let made = self.seats.iter().enumerate().filter(|(_, seat)| of_some(seat));
        made.map(|(shard, _)| shard).collect()
    }

    /// The devices among `members` that make these shards.
    pub(crate) fn makers(&self, members: DeviceSet, shards: ShardSet) -> DeviceSet {
        let seat = |shard: usize| self.seats.get(shard);
        shards.iter().filter_map(|shard| members.nth(seat(shard)?.index())).collect()
    }

    /// Which part of its stage the task of `shard` computes.
    pub fn part(&self, shard: usize) -> Part {
        let division = self.division.clone();
        match self.data_of(shard) {
            Some(data) => Part::data(division, data),
            None => Part::parity(division, self.code.clone(), shard - self.code.data_shards()),
        }
    }

    /// Where a data shard lies in the value.
    pub(crate) fn region(&self, value: &Value, data: usize) -> Region {
        self.division.region(&value.shape, value.axis, data)
    }

    /// The data shard that `shard` is, or is a copy of; `None` for parity.
    pub(crate) fn data_of(&self, shard: usize) -> Option<usize> {
        let n = self.code.data_shards();
        (shard < n || self.is_replicated()).then_some(shard % n)
    }

    /// Shape of `shard` of `value`: a copy has that of what it is a copy of.
    pub(crate) fn shard_shape(&self, value: &Value, shard: usize) -> Vec<usize> {
        match self.data_of(shard) {
            Some(data) => shape(&self.region(value, data)),
            None => self.part(shard).output_shape(&value.shape, value.axis),
        }
    }

    /// What a frame with `shard` of `value` names beside its number.
    pub(crate) fn place(&self, value: &Value, shard: usize) -> Range<usize> {
        self.division.place(&value.shape, value.axis, self.data_of(shard))
    }

    /// What travels of a shard that a task made.
    pub fn payload(&self, shard: &Tensor) -> Result<Tensor, HalfError> {
        match self.wire {
            DType::F16 if shard.dtype() == DType::F32 => narrow(shard),
            _ => Ok(shard.clone()),
        }
    }

    /// What arrives of a tensor that is sent.
    pub fn as_sent(&self, tensor: &Tensor) -> Result<Tensor, HalfError> {
        let sent = self.payload(tensor)?;
        if sent.dtype() == tensor.dtype() {
            return Ok(sent);
        }
        let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
        Ok(Tensor::new(dtype, shape, widen(sent.data()).into())?)
    }

    /// What recovers the value from these shards.
    pub(crate) fn decoder(&self, received: ShardSet) -> Result<Decoder, CodeError> {
        // A cache that somebody panicked over is still a cache.
        self.decoders.lock().unwrap_or_else(PoisonError::into_inner).get(received)
    }

    /// The shards that everybody is asked to use: the data shards, those of
    /// suspects replaced by parity shards. All data shards where that does
    /// not reach.
    pub(crate) fn roster(&self, members: DeviceSet, suspects: DeviceSet) -> ShardSet {
        let all_data = ShardSet::first(self.code.data_shards());
        if self.seats.is_empty() {
            return all_data;
        }
        let healthy = |shard: &usize| {
            members.nth(self.seats[*shard].index()).is_some_and(|d| !suspects.contains(d))
        };
        let mut roster = ShardSet::new();
        for shard in (0..self.code.shards()).filter(healthy) {
            if self.suffices(roster) {
                break;
            }
            roster.insert(shard);
        }
        if !self.suffices(roster) {
            return all_data;
        }
        // A copy of what is there already is not worth waiting for.
        for shard in (0..self.code.shards()).rev() {
            let mut fewer = roster;
            fewer.remove(shard);
            if self.suffices(fewer) {
                roster = fewer;
            }
        }
        roster
    }

    /// How many devices, whichever they are, may fail without any effect on
    /// this value.
    pub(crate) fn tolerance(&self) -> usize {
        let seats: BTreeSet<SeatId> = self.seats.iter().copied().collect();
        if seats.len() == self.seats.len() && !self.is_area() {
            return self.code.tolerance();
        }
        let seats: Vec<SeatId> = seats.into_iter().collect();
        let survives = |lost: ShardSet| {
            let here = |shard: &usize| {
                !seats.iter().enumerate().any(|(i, s)| lost.contains(i) && *s == self.seats[*shard])
            };
            self.suffices((0..self.seats.len()).filter(here).collect())
        };
        let bears = |count: &usize| {
            Patterns::count(seats.len(), *count) <= PATTERNS_MAX
                && Patterns::new(seats.len(), *count).all(survives)
        };
        (1..seats.len()).take_while(bears).count()
    }
}
