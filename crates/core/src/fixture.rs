//! A small plan for tests: two layers over `a` and `b`, parity on `c`, with
//! fallbacks for two devices and for one.

use std::sync::Arc;

use bytes::Bytes;
use quorate_model::tensor::{DType, Tensor};

use crate::admit::Peer;
use crate::audit::Checks;
use crate::frame::Data;
use crate::id::{DeviceId, DeviceSet, GatewayRun, RequestId, ValueId};
use crate::plan::{Plan, Plans};
use crate::time::Time;

/// The plan file.
pub(crate) const PLAN: &str = include_str!("fixture.toml");

/// LeNet-5, a real model.
pub(crate) const LENET: &[u8] = include_bytes!("../../../assets/lenet5.onnx");

pub(crate) const X: ValueId = ValueId(0);
pub(crate) const H: ValueId = ValueId(1);
pub(crate) const Y: ValueId = ValueId(2);

pub(crate) const A: DeviceId = DeviceId(0);
pub(crate) const B: DeviceId = DeviceId(1);
pub(crate) const C: DeviceId = DeviceId(2);

pub(crate) const RUN: GatewayRun = GatewayRun { gateway: 7, epoch: 3 };

pub(crate) fn plans() -> Arc<Plans> {
    Arc::new(Plans::parse(PLAN).expect("the fixture is right"))
}

/// The fixture with `from` replaced by `to`.
pub(crate) fn edited(from: &str, to: &str) -> String {
    assert!(PLAN.contains(from), "{from} is not in the fixture");
    PLAN.replacen(from, to, 1)
}

pub(crate) fn ms(n: u64) -> Time {
    Time(n * 1000)
}

pub(crate) fn devices(list: &[DeviceId]) -> DeviceSet {
    list.iter().copied().collect()
}

pub(crate) fn request(number: u64) -> RequestId {
    RequestId { run: RUN, number }
}

/// The tensor that a shard of the fixture holds: 1, 2, 3, ...
pub(crate) fn shard_tensor(plans: &Plans, plan: &Plan, value: ValueId, shard: usize) -> Tensor {
    let shape =
        plan.sharding(value).expect("used").shard_shape(&plans.values()[value.index()], shard);
    let count: usize = shape.iter().product();
    let numbers: Vec<f32> = (0..count).map(|v| v as f32 + 1.0).collect();
    Tensor::from_f32(shape, &numbers).expect("fits")
}

/// A frame as the plan wants it, under the plan of that place in the file.
pub(crate) fn data(plans: &Plans, index: usize, number: u64, value: ValueId, shard: usize) -> Data {
    let plan = &plans.all()[index];
    let sharding = plan.sharding(value).expect("used");
    let place = sharding.place(&plans.values()[value.index()], shard);
    let tensor = shard_tensor(plans, plan, value, shard);
    Data {
        input: sharding.stage.is_none(),
        request: request(number),
        attempt: 0,
        plan: plan.id(),
        members: DeviceSet::first(plan.seats()),
        suspects: DeviceSet::default(),
        checks: Checks::default(),
        of_decoded: false,
        deadline_left_us: 1_000_000,
        value,
        shard: shard as u16,
        place: (place.start as u32, place.end as u32),
        dtype: DType::F32,
        shape: tensor.shape().iter().map(|&d| d as u32).collect(),
        payload: tensor.data().clone().into(),
    }
}

/// Who makes the shard of a frame.
pub(crate) fn maker(plans: &Plans, data: &Data) -> Peer {
    let plan = plans.by_id(data.plan).expect("known");
    match plan.sharding(data.value).expect("used").seats.get(usize::from(data.shard)) {
        None => Peer::Gateway(data.request.run),
        Some(seat) => Peer::Device(data.members.nth(seat.index()).expect("a member")),
    }
}

pub(crate) fn f32_bytes(values: &[f32]) -> Bytes {
    values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>().into()
}
