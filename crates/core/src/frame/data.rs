//! Inputs and shards: the frames with a payload.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use quorate_model::tensor::{DType, byte_len};

use super::error::FrameError;
use super::field::{bounded, need, read_run, write_run};
use super::payload::Payload;
use crate::audit::Checks;
use crate::id::{DeviceSet, PlanId, RequestId, ValueId};

const FIXED_BYTES: usize = 72;
const RANK_MAX: usize = 8;
/// The bit of that beside those of the checks.
const OF_DECODED: u16 = 1 << 15;

/// A request's input, or a shard of a value that a device made.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Is it a request's input, which comes from the gateway?
    pub input: bool,
    /// The request.
    pub request: RequestId,
    /// Attempts at the request before this one.
    pub attempt: u32,
    /// The plan in force for this attempt.
    pub plan: PlanId,
    /// The devices that take part: seat `i` is the `i`-th of them.
    pub members: DeviceSet,
    /// Devices that the roster leaves out.
    pub suspects: DeviceSet,
    /// What is asked of those who gather.
    pub checks: Checks,
    /// Was it made of values that were decoded? Others, who decoded from other
    /// shards or none, have those slightly differently.
    pub of_decoded: bool,
    /// Microseconds that were left until the deadline when this was sent.
    pub deadline_left_us: u32,
    /// Which value.
    pub value: ValueId,
    /// Which shard of it.
    pub shard: u16,
    /// Where the shard lies, as the plan implies: rows of the value, columns of
    /// the layer's input, or the first and last element of a tile.
    pub place: (u32, u32),
    /// Element type.
    pub dtype: DType,
    /// Shape of the payload.
    pub shape: Vec<u32>,
    /// Little-endian elements, as many as the shape says.
    pub payload: Payload,
}

impl Data {
    pub(super) fn write_head(&self, out: &mut BytesMut) {
        assert!(self.shape.len() <= RANK_MAX, "rank {} of a frame", self.shape.len());
        out.put_u64_le(self.plan.0);
        write_run(self.request.run, out);
        out.put_u64_le(self.request.number);
        out.put_u64_le(self.members.0);
        out.put_u64_le(self.suspects.0);
        out.put_u32_le(self.attempt);
        out.put_u32_le(self.deadline_left_us);
        out.put_u16_le(self.value.0);
        out.put_u16_le(self.shard);
        out.put_u32_le(self.place.0);
        out.put_u32_le(self.place.1);
        out.put_u8(self.dtype.onnx() as u8);
        out.put_u8(self.shape.len() as u8);
        out.put_u16_le(self.checks.bits() | if self.of_decoded { OF_DECODED } else { 0 });
        self.shape.iter().for_each(|&d| out.put_u32_le(d));
    }

    pub(super) fn read(bytes: &mut Bytes, input: bool) -> Result<Data, FrameError> {
        need(bytes, FIXED_BYTES)?;
        let plan = PlanId(bytes.get_u64_le());
        let request = RequestId { run: read_run(bytes), number: bytes.get_u64_le() };
        let (members, suspects) = (DeviceSet(bytes.get_u64_le()), DeviceSet(bytes.get_u64_le()));
        let (attempt, deadline_left_us) = (bytes.get_u32_le(), bytes.get_u32_le());
        let (value, shard) = (ValueId(bytes.get_u16_le()), bytes.get_u16_le());
        let place = (bytes.get_u32_le(), bytes.get_u32_le());
        if place.0 > place.1 {
            return Err(FrameError::Field {
                what: "first row",
                got: place.0.into(),
                limit: place.1.into(),
            });
        }
        let dtype = bytes.get_u8();
        let dtype = DType::from_onnx(dtype.into()).ok_or(FrameError::Field {
            what: "dtype",
            got: dtype.into(),
            limit: 13,
        })?;
        let rank = bounded("rank", bytes.get_u8().into(), RANK_MAX)?;
        let bits = bytes.get_u16_le();
        let of_decoded = bits & OF_DECODED != 0;
        let checks = Checks::of_bits(bits & !OF_DECODED).ok_or(FrameError::Field {
            what: "checks",
            got: bits.into(),
            limit: 15,
        })?;
        need(bytes, rank * 4)?;
        let shape: Vec<u32> = (0..rank).map(|_| bytes.get_u32_le()).collect();
        let dims: Vec<usize> = shape.iter().map(|&d| d as usize).collect();
        let needed = byte_len(dtype, &dims).unwrap_or(usize::MAX);
        if needed != bytes.len() {
            return Err(FrameError::Payload { got: bytes.len(), needed });
        }
        let payload = bytes.split_to(needed).into();
        Ok(Data {
            input,
            request,
            attempt,
            plan,
            members,
            suspects,
            checks,
            of_decoded,
            deadline_left_us,
            value,
            shard,
            place,
            dtype,
            shape,
            payload,
        })
    }
}
