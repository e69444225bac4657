//! Holds frames from outside against the plan that they name.
//!
//! *Invariant:* a frame that was admitted has exactly the value, shard, place,
//! type, shape and sender that its plan implies, so nothing behind this check
//! can fail or grow on what a peer says.

use std::sync::Arc;

use crate::frame::Data;
use crate::id::{DeviceId, DeviceSet, GatewayRun, PlanId};
use crate::plan::{Need, Plan, Plans};

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A gateway.
    Gateway(GatewayRun),
    /// A worker.
    Device(DeviceId),
}

/// Why a frame was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Refusal {
    #[error("plan {plan} is not in this bundle")]
    Plan { plan: PlanId },
    #[error("plan {plan} has {needed} seats, frame names {got} devices")]
    Members { plan: String, got: usize, needed: usize },
    #[error("value {got}, plan {plan} has none such")]
    Value { plan: String, got: u16 },
    #[error("shard {got} of {value}, which has {shards}")]
    Shard { value: String, got: u16, shards: usize },
    #[error("rows {got:?} of shard {shard} of {value}, plan says {needed:?}")]
    Place { value: String, shard: u16, got: (u32, u32), needed: (u32, u32) },
    #[error("shard {shard} of {value} is {got}, plan says {needed}")]
    Form { value: String, shard: u16, got: String, needed: String },
    #[error("shard {shard} of {value} came from {got}, plan has it made by {needed}")]
    Sender { value: String, shard: u16, got: String, needed: String },
}

impl Refusal {
    /// Does the sender break the rules, so that its connection is to be closed?
    /// A plan that is not in this bundle is an operator's mistake; requests of
    /// other plans must not suffer from it.
    pub fn is_violation(&self) -> bool {
        !matches!(self, Refusal::Plan { .. })
    }
}

impl Plans {
    /// The plan of a frame from `from`, if the frame is one that the plan allows,
    /// for a gateway: it is sent whole shards only.
    pub fn admit(&self, from: Peer, data: &Data) -> Result<&Arc<Plan>, Refusal> {
        self.admit_part(from, data, |_| None)
    }

    /// The same for a device, which may be sent parts of shards.
    pub(crate) fn admit_at(
        &self,
        device: DeviceId,
        from: Peer,
        data: &Data,
    ) -> Result<&Arc<Plan>, Refusal> {
        self.admit_part(from, data, |plan| plan.device_need(data.value, device, data.members))
    }

    fn admit_part<'a>(
        &'a self,
        from: Peer,
        data: &Data,
        need: impl Fn(&'a Plan) -> Option<&'a Arc<Need>>,
    ) -> Result<&'a Arc<Plan>, Refusal> {
        let plan = self.by_id(data.plan).ok_or(Refusal::Plan { plan: data.plan })?;
        let members = data.members;
        let strangers = members.without(self.everybody());
        if members.len() != plan.seats() || !strangers.is_empty() {
            let (plan, needed) = (plan.name().to_owned(), plan.seats());
            return Err(Refusal::Members { plan, got: members.len(), needed });
        }
        let Some(sharding) = plan.sharding(data.value) else {
            return Err(Refusal::Value { plan: plan.name().to_owned(), got: data.value.0 });
        };
        let value = &self.values()[data.value.index()];
        let (name, shard) = (|| value.name.clone(), data.shard);
        let shards = sharding.code.shards();
        if usize::from(shard) >= shards {
            return Err(Refusal::Shard { value: name(), got: shard, shards });
        }
        let place = sharding.place(value, shard.into());
        let needed = (place.start as u32, place.end as u32);
        if data.place != needed {
            return Err(Refusal::Place { value: name(), shard, got: data.place, needed });
        }
        let shape = match need(plan) {
            None => sharding.shard_shape(value, shard.into()),
            Some(need) => Need::shape_of(&need.pieces[usize::from(shard)], value),
        };
        let shape: Vec<u32> = shape.iter().map(|&d| d as u32).collect();
        if data.dtype != sharding.wire || data.shape != shape {
            return Err(Refusal::Form {
                value: name(),
                shard,
                got: format!("{} {:?}", data.dtype, data.shape),
                needed: format!("{} {shape:?}", sharding.wire),
            });
        }
        let maker = match sharding.seats.get(usize::from(shard)) {
            None => Peer::Gateway(data.request.run),
            Some(seat) => Peer::Device(members.nth(seat.index()).expect("a member a seat")),
        };
        if from != maker || data.input != sharding.stage.is_none() {
            let as_input = if data.input { " as an input" } else { "" };
            let (got, needed) = (self.peer_name(from) + as_input, self.peer_name(maker));
            return Err(Refusal::Sender { value: name(), shard, got, needed });
        }
        Ok(plan)
    }

    /// What a peer is called in messages.
    pub fn peer_name(&self, peer: Peer) -> String {
        match peer {
            Peer::Gateway(run) => format!("gateway {:x} run {:x}", run.gateway, run.epoch),
            Peer::Device(device) => self.device_name(device).to_owned(),
        }
    }

    /// A device's name.
    pub fn device_name(&self, device: DeviceId) -> &str {
        self.cluster().devices().get(device.index()).map_or("unknown device", |d| d.name.as_str())
    }

    /// Names of a set of devices, in order, with commas.
    pub fn device_names(&self, devices: DeviceSet) -> String {
        devices.iter().map(|d| self.device_name(d)).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{A, B, C, H, RUN, X, Y, data, devices, maker, plans};
    use quorate_model::tensor::DType;

    #[test]
    fn what_the_plan_implies_is_admitted() {
        let plans = plans();
        for (index, plan) in plans.all().iter().enumerate() {
            for value in [X, H, Y] {
                let shards = plan.sharding(value).expect("used").code.shards();
                for shard in 0..shards {
                    let data = data(&plans, index, 0, value, shard);
                    let admitted = plans.admit(maker(&plans, &data), &data);
                    assert_eq!(
                        admitted.map(|p| p.id()),
                        Ok(plan.id()),
                        "{index} {value:?} {shard}"
                    );
                }
            }
        }
    }

    type Lie = fn(&mut Data);

    #[test]
    fn everything_else_is_refused() {
        let plans = plans();
        let cases: [(Lie, &str); 15] = [
            (|d| d.plan = PlanId(1), "plan 0000000000000001 is not in this bundle"),
            (|d| d.members = devices(&[A, B]), "plan main has 3 seats, frame names 2 devices"),
            (|d| d.members = DeviceSet(0b1011), "plan main has 3 seats, frame names 3 devices"),
            (|d| d.members = DeviceSet::first(4), "plan main has 3 seats, frame names 4 devices"),
            (|d| d.value.0 = 3, "value 3, plan main has none such"),
            (|d| d.value.0 = u16::MAX, "value 65535, plan main has none such"),
            (|d| d.shard = 3, "shard 3 of h, which has 3"),
            (|d| d.shard = u16::MAX, "shard 65535 of h, which has 3"),
            (|d| d.place = (0, 3), "rows (0, 3) of shard 1 of h, plan says (3, 6)"),
            (|d| d.place = (3, 7), "rows (3, 7) of shard 1 of h, plan says (3, 6)"),
            (|d| d.dtype = DType::I32, "shard 1 of h is i32 [1, 3], plan says f32 [1, 3]"),
            (|d| d.shape = vec![3], "shard 1 of h is f32 [3], plan says f32 [1, 3]"),
            (|d| d.shape = vec![], "shard 1 of h is f32 [], plan says f32 [1, 3]"),
            (|d| d.input = true, "shard 1 of h came from b as an input, plan has it made by b"),
            (|d| d.value = Y, "rows (3, 6) of shard 1 of y, plan says (3, 5)"),
        ];
        for (lie, message) in cases {
            let mut data = data(&plans, 0, 0, H, 1);
            lie(&mut data);
            let refusal = plans.admit(Peer::Device(B), &data).unwrap_err();
            assert_eq!(refusal.to_string(), message);
            assert_eq!(refusal.is_violation(), !matches!(refusal, Refusal::Plan { .. }));
        }
    }

    /// A device takes the part of a value that it needs, and nothing else.
    #[test]
    fn parts_are_held_against_what_is_needed() {
        let stage = "method = \"output\"\nreads = [\"x\"]\nvalue = \"h\"\nrows = [3, 3]\ncode = \"sum\"\n\
                     data = [\"a\", \"b\"]\nparity = [\"c\"]";
        let parts = "method = \"input\"\nreads = [\"x\"]\nvalue = \"h\"\ncolumns = [5, 3]\n\
                     parts = [[[0, 1], [0, 5]], [[0, 1], [5, 8]]]\n\
                     data = [\"a\", \"b\"]\nreplicas = [\"c\", \"a\"]";
        let plans = crate::plan::Plans::parse(&crate::fixture::edited(stage, parts)).unwrap();
        let sent = |columns: u32| {
            let mut data = data(&plans, 0, 0, X, 0);
            data.shape = vec![1, columns];
            data
        };
        // a has both terms, b the second, c the first.
        for (device, needed) in [(A, 8), (B, 3), (C, 5)] {
            for columns in 1..=8 {
                let admitted = plans.admit_at(device, Peer::Gateway(RUN), &sent(columns));
                assert_eq!(admitted.is_ok(), columns == needed, "{device:?} {columns}");
            }
        }
    }

    #[test]
    fn only_its_maker_sends_a_shard() {
        let plans = plans();
        let mut other = RUN;
        other.epoch += 1;
        let cases = [
            (H, 1, Peer::Device(A)),
            (H, 1, Peer::Device(DeviceId(9))),
            (H, 2, Peer::Device(B)),
            (H, 0, Peer::Gateway(RUN)),
            (X, 0, Peer::Device(A)),
            (X, 0, Peer::Gateway(other)),
        ];
        for (value, shard, from) in cases {
            let refusal = plans.admit(from, &data(&plans, 0, 0, value, shard)).unwrap_err();
            assert!(matches!(refusal, Refusal::Sender { .. }), "{from:?}: {refusal}");
        }
        // The same seat, taken by another device.
        let mut shard = data(&plans, 1, 0, Y, 1);
        shard.members = devices(&[A, C]);
        assert!(plans.admit(Peer::Device(C), &shard).is_ok());
        assert!(plans.admit(Peer::Device(B), &shard).is_err());
    }
}
