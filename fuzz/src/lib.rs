//! What targets share: a small plan, and frames made of any bytes.

use std::sync::{Arc, OnceLock};

use quorate_core::admit::Peer;
use quorate_core::audit::Checks;
use quorate_core::frame::Data;
use quorate_core::id::{DeviceId, DeviceSet, GatewayRun, RequestId, ValueId};
use quorate_core::plan::Plans;
use quorate_core::worker::TaskId;
use quorate_model::tensor::{DType, Tensor};

/// The gateway that asks.
pub const RUN: GatewayRun = GatewayRun { gateway: 7, epoch: 3 };

/// Bytes that are read one by one; zeros behind their end.
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    /// Is nothing left?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u8) -> u8 {
        self.byte() % limit
    }
}

/// Two layers over `a` and `b`, with parity on `c`, and plans for fewer.
pub fn plans() -> Arc<Plans> {
    static PLANS: OnceLock<Arc<Plans>> = OnceLock::new();
    let text = include_str!("../../crates/core/src/fixture.toml");
    PLANS.get_or_init(|| Arc::new(Plans::parse(text).expect("the fixture is right"))).clone()
}

/// The model's input.
pub fn input() -> Tensor {
    Tensor::from_f32(vec![1, 8], &[1.0; 8]).expect("fits")
}

/// The output of a task.
pub fn output(plans: &Plans, task: TaskId) -> Tensor {
    let plan = plans.all().iter().find(|plan| plan.id() == task.plan).expect("known");
    let value = &plans.values()[plan.stages()[task.stage.index()].value.index()];
    let part = plan.stage_sharding(task.stage).part(task.shard);
    let shape = part.output_shape(&value.shape, value.axis);
    let count = shape.iter().product();
    Tensor::from_f32(shape, &vec![1.0; count]).expect("fits")
}

/// A frame that is mostly as its plan wants it, and who would send it.
pub fn data(plans: &Plans, bytes: &mut Reader<'_>) -> (Peer, Data) {
    let plan = &plans.all()[usize::from(bytes.below(3))];
    let value = ValueId(bytes.below(3).into());
    let sharding = plan.sharding(value).expect("all plans use all values");
    let shard = bytes.below(4);
    let known = usize::from(shard) % sharding.code.shards();
    let form = &plans.values()[value.index()];
    let part = sharding.part(known);
    let shape = part.output_shape(&form.shape, form.axis);
    let place = sharding.division.place(
        &form.shape,
        form.axis,
        (known < sharding.code.data_shards()).then_some(known),
    );
    let members = DeviceSet::first(plan.seats());
    let members = if bytes.below(8) == 0 { DeviceSet(bytes.byte().into()) } else { members };
    let number = bytes.below(4).into();
    let count: usize = shape.iter().product();
    let payload: Vec<u8> = (0..count).flat_map(|_| 1f32.to_le_bytes()).collect();
    let checks = bytes.below(16);
    // Now and then of another run of it.
    let run = match bytes.below(8) {
        0 => GatewayRun { epoch: bytes.below(5).into(), ..RUN },
        _ => RUN,
    };
    let data = Data {
        input: sharding.stage.is_none(),
        request: RequestId { run, number },
        attempt: bytes.below(3).into(),
        plan: plan.id(),
        members,
        suspects: DeviceSet(bytes.below(8).into()),
        checks: Checks {
            audit: checks & 1 != 0,
            strict: checks & 2 != 0,
            prompt: checks & 4 != 0,
            lenient: checks & 8 != 0,
        },
        of_decoded: bytes.below(2) == 1,
        deadline_left_us: u32::from(bytes.byte()) * 10_000,
        value,
        shard: shard.into(),
        place: (place.start as u32, place.end as u32),
        dtype: DType::F32,
        shape: shape.iter().map(|&d| d as u32).collect(),
        payload: bytes::Bytes::from(payload).into(),
    };
    let maker = sharding.seats.get(known).and_then(|seat| members.nth(seat.index()));
    (maker.map_or(Peer::Gateway(run), |device: DeviceId| Peer::Device(device)), data)
}
