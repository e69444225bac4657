//! One attempt at a request, as its gateway and its devices see it.

use std::sync::Arc;

use quorate_model::value::Value;

use crate::audit::Checks;
use crate::frame::Data;
use crate::gather::Gather;
use crate::id::{DeviceId, DeviceSet, PlanId, RequestId, StageId, ValueId};
use crate::parcel::Parcel;
use crate::plan::{Need, Plan};
use crate::time::Time;

/// What all frames of one attempt say alike.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// The request.
    pub request: RequestId,
    /// Attempts at it before this one.
    pub number: u32,
    /// The plan in force.
    pub plan: Arc<Plan>,
    /// Who takes the plan's seats; empty as long as there is nobody.
    pub members: DeviceSet,
    /// Devices that the roster leaves out.
    pub suspects: DeviceSet,
    /// What is asked of those who gather.
    pub checks: Checks,
    /// When the request is given up.
    pub deadline: Time,
}

impl Attempt {
    /// Is this frame, which is of the same request, of this attempt too?
    pub(crate) fn includes(&self, data: &Data) -> bool {
        self.is(data.attempt, data.plan) && data.members == self.members
    }

    /// Is what says this number and plan, and is of the same request, of this
    /// attempt?
    pub(crate) fn is(&self, number: u32, plan: PlanId) -> bool {
        number == self.number && plan == self.plan.id()
    }

    /// Who makes a shard of a stage's value; `None` where there is no such shard.
    pub(crate) fn maker(&self, stage: StageId, shard: usize) -> Option<DeviceId> {
        let value = self.plan.stages().get(stage.index())?.value;
        let seat = *self.plan.sharding(value)?.seats.get(shard)?;
        self.members.nth(seat.index())
    }

    /// A gather of `value`, or of what `need` says of it.
    pub(crate) fn gather(
        &self,
        values: &Arc<Vec<Value>>,
        value: ValueId,
        need: Option<Arc<Need>>,
    ) -> Gather {
        let (values, plan) = (values.clone(), self.plan.clone());
        Gather::of_part(values, plan, value, need, (self.members, self.suspects), self.checks)
    }

    /// The frame that brings a parcel of shard `shard` of `value`.
    pub(crate) fn data(
        &self,
        now: Time,
        values: &[Value],
        (value, shard): (ValueId, usize),
        parcel: Parcel,
    ) -> Data {
        let sharding = self.plan.sharding(value).expect("a value of the plan");
        let place = sharding.place(&values[value.index()], shard);
        let left = self.deadline.since(now).as_micros();
        Data {
            input: sharding.stage.is_none(),
            request: self.request,
            attempt: self.number,
            plan: self.plan.id(),
            members: self.members,
            suspects: self.suspects,
            checks: self.checks,
            of_decoded: parcel.of_decoded,
            deadline_left_us: u32::try_from(left).unwrap_or(u32::MAX),
            value,
            shard: shard as u16,
            place: (place.start as u32, place.end as u32),
            dtype: parcel.dtype,
            shape: parcel.shape,
            payload: parcel.payload,
        }
    }
}
