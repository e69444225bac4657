//! From a task's output to what its readers are sent.
//!
//! ```text
//! output -> form the plan wants? -> narrow -> crop, a group of readers each -> checksum
//! ```
//!
//! All of it reads or writes every byte of the output, so it is done where the
//! task ran, and not by the state machine.

use std::sync::Arc;

use quorate_model::region::Region;
use quorate_model::tensor::Tensor;

use crate::admit::Peer;
use crate::failure::TaskError;
use crate::finite::is_finite;
use crate::id::{DeviceId, StageId};
use crate::parcel::Parcel;
use crate::plan::Plan;
use quorate_model::region::cut;
use quorate_model::value::Value;

/// What is to be made of a task's output.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub(super) plan: Arc<Plan>,
    pub(super) values: Arc<Vec<Value>>,
    pub(super) stage: StageId,
    pub(super) shard: usize,
    /// The device that makes it.
    pub(super) maker: DeviceId,
    /// Are there decoded values among what it is made of?
    pub(super) of_decoded: bool,
    /// Must its numbers be finite?
    pub(super) finite: bool,
    /// Pieces of the value, `None` for all of the shard, and who is sent each.
    pub(super) groups: Vec<(Option<Vec<Region>>, Vec<Peer>)>,
}

/// A part of a shard in the form it travels in, and who reads it.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub(super) to: Vec<Peer>,
    pub(super) parcel: Parcel,
}

impl Delivery {
    /// What the readers are sent of a task's outputs; an error where they are
    /// not what the plan says, or do not fit the type that they travel as.
    pub fn prepare(&self, outputs: &[Tensor]) -> Result<Vec<Outgoing>, TaskError> {
        let [output] = outputs else {
            let words = format!("task made {} values, expected 1", outputs.len());
            return Err(TaskError::of_device(words));
        };
        let sharding = self.plan.stage_sharding(self.stage);
        let value = &self.values[self.plan.stages()[self.stage.index()].value.index()];
        let shape = sharding.shard_shape(value, self.shard);
        if output.dtype() != value.dtype || output.shape() != shape {
            let dtype = value.dtype;
            let words = format!("task made {output:?}, plan says {dtype} {shape:?}");
            return Err(TaskError::of_device(words));
        }
        if self.finite && !is_finite(output) {
            let words = format!("made numbers of value {} that are not finite", value.name);
            return Err(TaskError::not_finite(words));
        }
        let too_large = |e| TaskError::of_request(format!("value {}: {e}", value.name));
        let output = sharding.payload(output).map_err(too_large)?;
        let prepare = |(pieces, to): &(Option<Vec<Region>>, Vec<Peer>)| {
            let part = match (pieces, sharding.data_of(self.shard)) {
                (Some(pieces), Some(data)) => {
                    let from = sharding.region(value, data);
                    cut(&output, &from, pieces).map_err(|e| TaskError::of_device(e.to_string()))?
                }
                _ => output.clone(),
            };
            let parcel = Parcel { of_decoded: self.of_decoded, ..Parcel::new(&part) };
            // What stays here needs no checksum.
            let sent = to.iter().any(|peer| *peer != Peer::Device(self.maker));
            let parcel = if sent { parcel.summed() } else { parcel };
            Ok(Outgoing { to: to.clone(), parcel })
        };
        self.groups.iter().map(prepare).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{A, B, C, H, PLAN, edited, shard_tensor};
    use crate::plan::Plans;

    /// `a`'s shard of `h`, with a part of it for `c`.
    fn delivery(text: &str) -> (Delivery, Tensor) {
        let plans = Plans::parse(text).expect("reads");
        let plan = plans.main().clone();
        let output = shard_tensor(&plans, &plan, H, 0);
        let groups = vec![
            (None, vec![Peer::Device(A), Peer::Device(B)]),
            (Some(vec![vec![0..1, 1..3]]), vec![Peer::Device(C)]),
        ];
        let (values, stage, maker) = (plans.values().clone(), StageId(0), A);
        let (shard, of_decoded, finite) = (0, true, true);
        (Delivery { plan, values, stage, shard, maker, of_decoded, finite, groups }, output)
    }

    #[test]
    fn readers_are_sent_what_they_read_in_the_type_of_the_wire() {
        for (text, size) in [(PLAN.to_owned(), 4), (in_half(), 2)] {
            let (delivery, output) = delivery(&text);
            let outgoing = delivery.prepare(&[output]).expect("as the plan says");
            let sizes = outgoing.iter().map(|o| o.parcel.payload.bytes().len());
            assert_eq!(sizes.collect::<Vec<_>>(), [3 * size, 2 * size]);
            assert_eq!(outgoing[1].parcel.shape, [1, 2]);
            assert!(outgoing.iter().all(|o| o.parcel.of_decoded));
            assert_eq!(outgoing[1].to, [Peer::Device(C)]);
        }
    }

    fn in_half() -> String {
        edited("value = \"h\"\n", "value = \"h\"\nwire = \"f16\"\n")
    }

    #[test]
    fn what_is_not_finite_is_told_unless_it_is_wanted() {
        let (mut delivery, _) = delivery(PLAN);
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let output = Tensor::from_f32(vec![1, 3], &[1.0, value, 0.0]).expect("fits");
            delivery.finite = true;
            let error = delivery.prepare(std::slice::from_ref(&output)).expect_err("an error");
            assert_eq!(error.words, "made numbers of value h that are not finite");
            delivery.finite = false;
            assert_eq!(delivery.prepare(&[output]).expect("as it is").len(), 2);
        }
    }

    #[test]
    fn what_is_not_as_the_plan_says_is_an_error() {
        let large = Tensor::from_f32(vec![1, 3], &[1.0, 7e4, 0.0]).expect("fits");
        let (delivery, output) = delivery(&in_half());
        let said =
            |outputs: &[Tensor]| delivery.prepare(outputs).expect_err("an error").to_string();
        let words = "value h: 70000 does not fit in f16, whose largest number is 65504: send it \
                     as f32";
        assert_eq!(said(&[large]), words);
        assert_eq!(said(&[]), "task made 0 values, expected 1");
        assert_eq!(said(&[output.clone(), output]), "task made 2 values, expected 1");
    }
}
