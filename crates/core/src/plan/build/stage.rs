//! From a stage's draft to its division, code and seats.

use std::ops::Range;
use std::sync::Arc;

use quorate_code::{Code, ShardSet};
use quorate_model::division::{Codable, Division};
use quorate_model::region::Region;
use quorate_model::tensor::DType;
use quorate_model::value::Value;

use super::{At, BuildError, Builder, StageAt, error, wire_type};
use crate::id::{SeatId, StageId, ValueId};
use crate::plan::draft::StageDraft;
use crate::plan::plans::fallback_seat;
use crate::plan::sharding::{REPLICATION, Sharding};
use crate::plan::stage::Stage;

/// One stage, while it is checked.
struct Checked<'a> {
    plan: usize,
    stage: usize,
    draft: &'a StageDraft,
}

impl Checked<'_> {
    fn error<T>(&self, at: StageAt, message: impl AsRef<str>) -> Result<T, BuildError> {
        let message = format!("layer {}: {}", self.draft.name(), message.as_ref());
        error(At::Stage(self.plan, self.stage, at), message)
    }

    /// The same without the layer in front: the message names it.
    fn plain<T>(&self, at: StageAt, message: impl Into<String>) -> Result<T, BuildError> {
        error(At::Stage(self.plan, self.stage, at), message)
    }
}

impl Builder<'_> {
    /// Adds the draft's stage of this index to the plan.
    pub(super) fn stage(&mut self, index: usize) -> Result<(), BuildError> {
        let draft = &self.draft.stages[index];
        let checked = Checked { plan: self.index, stage: index, draft };
        let name = draft.name();
        if self.plan.stages.iter().any(|stage| stage.name == name) {
            return checked.plain(StageAt::Name, format!("second stage for layer {name}"));
        }
        let mut reads = Vec::new();
        for (at, value) in draft.reads.iter().enumerate() {
            let at = At::Stage(self.index, index, StageAt::Read(at));
            reads.push(self.read(value, &format!("layer {name}"), at)?);
        }
        if reads.is_empty() {
            return checked.plain(StageAt::Name, format!("layer {name} reads nothing"));
        }
        let made = &draft.value;
        let Some(&value) = self.numbers.get(made.as_str()) else {
            let message = format!("layer {name} makes {made}, which is not listed");
            return checked.plain(StageAt::Value, message);
        };
        if self.plan.shardings[value.index()].is_some() {
            return checked.plain(StageAt::Value, format!("value {made} is made twice"));
        }
        let id = StageId(self.plan.stages.len() as u16);
        let form = &self.values[value.index()];
        let extra = checked.extra()?;
        let division = checked.division(form)?;
        let code = checked.code(&*division, extra)?;
        let seats = self.seats(&checked, &*division, &code)?;
        let wire = checked.wire(form)?;
        let parts = self.parts(&checked, &*division, &reads)?;
        for read in &reads {
            self.plan.readers[read.index()].push(id);
        }
        let sharding = Sharding::new(code, division, seats, Some(id), wire);
        self.plan.shardings[value.index()] = Some(sharding);
        let (name, method) = (name.to_owned(), draft.method);
        self.plan.stages.push(Stage { name, method, reads, value, parts });
        Ok(())
    }

    /// What each data shard reads of its input.
    fn parts(
        &self,
        checked: &Checked<'_>,
        division: &dyn Division,
        reads: &[ValueId],
    ) -> Result<Vec<Region>, BuildError> {
        let Some(parts) = &checked.draft.parts else { return Ok(Vec::new()) };
        if !checked.draft.method.facts().divides_input {
            let message = "its method divides no input into parts";
            return checked.error(StageAt::Parts, message);
        }
        let shards = division.shards();
        let fits = |(part, read): (&Region, &ValueId)| {
            let shape = &self.values[read.index()].shape;
            let within = |(r, &l): (&Range<usize>, &usize)| r.start < r.end && r.end <= l;
            part.len() == shape.len() && part.iter().zip(shape).all(within)
        };
        let count = shards * reads.len();
        if parts.len() != count || !parts.iter().zip(reads.iter().cycle()).all(fits) {
            let of = |read: &ValueId| {
                let Value { name, shape, .. } = &self.values[read.index()];
                format!("{shards} parts of {name} within {shape:?}")
            };
            let all: Vec<String> = reads.iter().map(of).collect();
            return checked.error(StageAt::Parts, format!("{} needed", all.join(", ")));
        }
        Ok(parts.clone())
    }

    /// The seats of all shards. A device has no two of one value, unless the
    /// code bears the loss of all that it has.
    fn seats(
        &self,
        checked: &Checked<'_>,
        division: &dyn Division,
        code: &Code,
    ) -> Result<Vec<SeatId>, BuildError> {
        let StageDraft { data, parity, replicas, .. } = checked.draft;
        let n = code.data_shards();
        if data.len() != n {
            let got = data.len();
            return checked.error(StageAt::Data, format!("{got} devices for {n} data shards"));
        }
        let replicated = code.name() == REPLICATION;
        let is_area = division.area(0).is_some();
        let mut taken: Vec<SeatId> = Vec::new();
        for (at, &seat) in data.iter().chain(parity).chain(replicas).enumerate() {
            if seat >= self.plan.seats {
                let message = format!("unknown seat {}", fallback_seat(seat));
                return checked.error(StageAt::Seat(at), message);
            }
            taken.push(SeatId(seat as u8));
            let seat = SeatId(seat as u8);
            // Copies of different shards may share a device.
            let same = |other: &usize| !replicated || other % n == at % n;
            let here = (0..=at).filter(|other| taken[*other] == seat);
            let here: Vec<usize> = here.filter(same).collect();
            let lost: ShardSet = here.iter().copied().collect();
            let others = ShardSet::first(code.shards()).without(lost);
            // Boxes of an area are no copies of each other.
            let bears = || !replicated && (is_area || code.is_decodable(others));
            if here.len() > 1 && !bears() {
                let name = self.seat_name(seat.index());
                let count = if here.len() == 2 { "two".to_owned() } else { here.len().to_string() };
                let message = format!("{count} shards on {name}, which would be lost together");
                return checked.error(StageAt::Seat(at), message);
            }
        }
        Ok(taken)
    }

    fn seat_name(&self, seat: usize) -> String {
        match self.index {
            0 => self.devices[seat].name.clone(),
            _ => fallback_seat(seat),
        }
    }
}

impl Checked<'_> {
    /// Number of shards beyond the data: parity or replicas, as the method
    /// allows.
    fn extra(&self) -> Result<usize, BuildError> {
        let StageDraft { method, data, parity, replicas, .. } = self.draft;
        if !parity.is_empty() && !replicas.is_empty() {
            let at = StageAt::Seat(data.len() + parity.len());
            let message = format!("layer {} has both parity and replicas", self.draft.name());
            return self.plain(at, message);
        }
        let facts = method.facts();
        if !parity.is_empty() && facts.codable == Codable::No {
            let message = format!("method {method} takes replicas, not parity: {}", facts.why);
            return self.error(StageAt::Seat(data.len()), message);
        }
        Ok(parity.len() + replicas.len())
    }

    fn division(&self, value: &Value) -> Result<Arc<dyn Division>, BuildError> {
        let StageDraft { method, lengths, parity, .. } = self.draft;
        let facts = method.facts();
        let needed = facts.list.map_or("", |list| list.key);
        if let Some(word) = lengths.keys().find(|word| *word != needed) {
            let at = StageAt::Lengths(word.clone());
            return self.error(at, format!("method {method} takes no {word}"));
        }
        if facts.f32_only && value.dtype != DType::F32 {
            let Value { name, dtype, .. } = value;
            let message = format!("method {method} needs f32, {name} is {dtype}");
            return self.error(StageAt::Method, message);
        }
        match (facts.parse)(value, lengths.get(needed), !parity.is_empty()) {
            Some(Ok(division)) => Ok(division),
            Some(Err(message)) => self.error(StageAt::Lengths(needed.to_owned()), message),
            None => self.error(StageAt::Method, format!("method {method} needs {needed}")),
        }
    }

    fn code(&self, division: &dyn Division, extra: usize) -> Result<Code, BuildError> {
        let replicated = !self.draft.replicas.is_empty();
        let name = match &self.draft.code {
            Some(code) => code.as_str(),
            None if replicated => REPLICATION,
            None => "none",
        };
        let given = self.draft.code.is_some();
        match Code::by_name(name, division.shards(), extra) {
            Ok(code) if (name == REPLICATION) == replicated => Ok(code),
            Ok(_) => {
                let at = if given { StageAt::Code } else { StageAt::Value };
                let message = "replicas go with code replication, parity with any other";
                self.error(at, message)
            }
            Err(error) => {
                let at = if given { StageAt::Code } else { StageAt::Data };
                self.error(at, error.to_string())
            }
        }
    }

    /// The element type that shards travel as.
    fn wire(&self, value: &Value) -> Result<DType, BuildError> {
        let Some(word) = &self.draft.wire else { return Ok(value.dtype) };
        wire_type(word, value).or_else(|message| self.plain(StageAt::Wire, message))
    }
}
