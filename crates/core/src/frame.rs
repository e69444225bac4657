//! What travels between processes: one frame, its bytes, and how they are
//! checked.
//!
//! ```text
//! length u32 (big endian) | "QR" | version u8 | kind u8 | crc32 u32 | body
//! ```
//!
//! All numbers of the body are little endian. The checksum covers all after
//! the length but itself. The payload of a shard is the tail of the body and
//! is handed on as a slice of the bytes received, without a copy.
//!
//! *Invariant:* decoding allocates nothing larger than the frame it was given.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use quorate_model::need::Region;
use quorate_model::tensor::{DType, Tensor, TensorError, byte_len};

use crate::id::{DeviceSet, GatewayRun, PlanId, RequestId, ValueId};
use crate::region::crop;

/// Version of the format; frames of another one are refused.
pub const VERSION: u8 = 1;
/// Most bytes a frame's head takes, its payload left out. Frames without a
/// payload are never longer than this.
pub const HEAD_BYTES_MAX: usize = 4096;
/// Bytes of the length in front of a frame.
pub const LENGTH_BYTES: usize = 4;

const MAGIC: [u8; 2] = *b"QR";
const PREFIX_BYTES: usize = 8;
const DATA_FIXED_BYTES: usize = 72;
const RANK_MAX: usize = 8;
const NAME_BYTES_MAX: usize = 64;
const PLANS_MAX: usize = 128;
const NUMBERS_MAX: usize = 256;

/// A message between two processes.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// The first frame on a connection, in both directions.
    Hello(Hello),
    /// A request's input, or a shard of one of its values.
    Data(Data),
    /// Which requests of a gateway are finished.
    Watermark(Watermark),
    /// A device is alive; what it did so far.
    Heartbeat(Heartbeat),
}

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A gateway, with its run.
    Gateway(GatewayRun),
    /// A worker.
    Worker,
}

/// Introduces the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Gateway or worker.
    pub role: Role,
    /// The device's name as in the plan file; empty for a gateway.
    pub name: String,
    /// Plans that the sender's bundle holds.
    pub plans: Vec<PlanId>,
}

/// A request's input (`kind` input) or a shard of a value (`kind` shard).
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// True for the gateway's input, false for a shard that a device made.
    pub input: bool,
    /// The request.
    pub request: RequestId,
    /// How often the gateway has submitted it before.
    pub attempt: u32,
    /// The plan in force for this attempt.
    pub plan: PlanId,
    /// The devices that take part: seat `i` is the `i`-th of them.
    pub members: DeviceSet,
    /// Devices that the roster leaves out.
    pub suspects: DeviceSet,
    /// Microseconds that were left until the deadline when this was sent.
    pub deadline_left_us: u32,
    /// Which value.
    pub value: ValueId,
    /// Which shard of it.
    pub shard: u16,
    /// Which part the payload is: rows of the value, columns of the layer's
    /// input, or the first and last element of a tile, as the plan implies.
    pub rows: (u32, u32),
    /// Element type.
    pub dtype: DType,
    /// Shape of the payload.
    pub shape: Vec<u32>,
    /// Little-endian elements, as many as the shape says.
    pub payload: Bytes,
}

/// Finished requests: all below `below`, and those in `also`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The gateway run that speaks.
    pub run: GatewayRun,
    /// Every request with a smaller number is finished.
    pub below: u64,
    /// Finished requests beyond `below`, at most 256.
    pub also: Vec<u64>,
}

/// Counters of one worker since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// Tasks computed.
    pub tasks: u64,
    /// Values decoded because a data shard was missing.
    pub decoded: u64,
    /// Frames not sent because a peer's queue was full.
    pub dropped: u64,
    /// Tasks skipped because nobody needed them any more.
    pub skipped: u64,
    /// Frames refused.
    pub refused: u64,
}

/// Why bytes are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FrameError {
    #[error("frame of {got} bytes, needs at least {needed}")]
    Short { got: usize, needed: usize },
    #[error("frame does not begin with QR")]
    Magic,
    #[error("frame version {got}, this program speaks {VERSION}")]
    Version { got: u8 },
    #[error("frame kind {got} unknown")]
    Kind { got: u8 },
    #[error("frame checksum {got:08x}, computed {computed:08x}")]
    Checksum { got: u32, computed: u32 },
    #[error("frame field {what} is {got}, limit {limit}")]
    Field { what: &'static str, got: u64, limit: u64 },
    #[error("frame payload of {got} bytes, its shape needs {needed}")]
    Payload { got: usize, needed: usize },
    #[error("frame has {got} bytes after its end")]
    Trailing { got: usize },
    #[error("frame name is not utf-8")]
    Name,
}

const HELLO: u8 = 1;
const INPUT: u8 = 2;
const SHARD: u8 = 3;
const WATERMARK: u8 = 4;
const HEARTBEAT: u8 = 5;

impl Frame {
    /// The frame's bytes, its length in front.
    ///
    /// # Panics
    /// If a field is past the bounds that [`Frame::decode`] enforces.
    pub fn encode(&self) -> Bytes {
        let payload = if let Frame::Data(data) = self { data.payload.len() } else { 0 };
        let mut out = BytesMut::with_capacity(256 + payload);
        out.put_bytes(0, LENGTH_BYTES);
        out.put_slice(&MAGIC);
        out.put_u8(VERSION);
        out.put_u8(self.kind());
        out.put_u32_le(0);
        match self {
            Frame::Hello(hello) => hello.write(&mut out),
            Frame::Data(data) => data.write(&mut out),
            Frame::Watermark(mark) => mark.write(&mut out),
            Frame::Heartbeat(beat) => beat.write(&mut out),
        }
        let length = u32::try_from(out.len() - LENGTH_BYTES).expect("frame below 4 GiB");
        out[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        let sum = checksum(&out[LENGTH_BYTES..]);
        out[LENGTH_BYTES + 4..LENGTH_BYTES + 8].copy_from_slice(&sum.to_le_bytes());
        out.freeze()
    }

    /// The frame in `bytes`, which begin behind the length.
    pub fn decode(mut bytes: Bytes) -> Result<Frame, FrameError> {
        need(&bytes, PREFIX_BYTES)?;
        if bytes[..2] != MAGIC {
            return Err(FrameError::Magic);
        }
        if bytes[2] != VERSION {
            return Err(FrameError::Version { got: bytes[2] });
        }
        let kind = bytes[3];
        let got = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let computed = checksum(&bytes);
        if got != computed {
            return Err(FrameError::Checksum { got, computed });
        }
        bytes.advance(PREFIX_BYTES);
        let frame = match kind {
            HELLO => Frame::Hello(Hello::read(&mut bytes)?),
            INPUT | SHARD => Frame::Data(Data::read(&mut bytes, kind == INPUT)?),
            WATERMARK => Frame::Watermark(Watermark::read(&mut bytes)?),
            HEARTBEAT => Frame::Heartbeat(Heartbeat::read(&mut bytes)?),
            got => return Err(FrameError::Kind { got }),
        };
        if bytes.is_empty() { Ok(frame) } else { Err(FrameError::Trailing { got: bytes.len() }) }
    }

    fn kind(&self) -> u8 {
        match self {
            Frame::Hello(_) => HELLO,
            Frame::Data(data) if data.input => INPUT,
            Frame::Data(_) => SHARD,
            Frame::Watermark(_) => WATERMARK,
            Frame::Heartbeat(_) => HEARTBEAT,
        }
    }
}

/// CRC-32 of a frame behind its length, its own four bytes left out.
fn checksum(frame: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&frame[..4]);
    hasher.update(&frame[PREFIX_BYTES..]);
    hasher.finalize()
}

fn need(bytes: &Bytes, needed: usize) -> Result<(), FrameError> {
    if bytes.len() < needed {
        return Err(FrameError::Short { got: bytes.len(), needed });
    }
    Ok(())
}

fn bounded(what: &'static str, got: usize, limit: usize) -> Result<usize, FrameError> {
    if got > limit {
        return Err(FrameError::Field { what, got: got as u64, limit: limit as u64 });
    }
    Ok(got)
}

fn read_run(bytes: &mut Bytes) -> GatewayRun {
    GatewayRun { gateway: bytes.get_u64_le(), epoch: bytes.get_u64_le() }
}

fn write_run(run: GatewayRun, out: &mut BytesMut) {
    out.put_u64_le(run.gateway);
    out.put_u64_le(run.epoch);
}

impl Hello {
    fn write(&self, out: &mut BytesMut) {
        assert!(self.name.len() <= NAME_BYTES_MAX && self.plans.len() <= PLANS_MAX);
        let (role, run) = match self.role {
            Role::Worker => (0, GatewayRun { gateway: 0, epoch: 0 }),
            Role::Gateway(run) => (1, run),
        };
        out.put_u8(role);
        write_run(run, out);
        out.put_u8(self.name.len() as u8);
        out.put_slice(self.name.as_bytes());
        out.put_u16_le(self.plans.len() as u16);
        self.plans.iter().for_each(|plan| out.put_u64_le(plan.0));
    }

    fn read(bytes: &mut Bytes) -> Result<Hello, FrameError> {
        need(bytes, 18)?;
        let role = bytes.get_u8();
        let run = read_run(bytes);
        let role = match role {
            0 => Role::Worker,
            1 => Role::Gateway(run),
            got => return Err(FrameError::Field { what: "role", got: got.into(), limit: 1 }),
        };
        let length = bounded("name length", bytes.get_u8().into(), NAME_BYTES_MAX)?;
        need(bytes, length + 2)?;
        let name = bytes.split_to(length);
        let name = std::str::from_utf8(&name).map_err(|_| FrameError::Name)?.to_owned();
        let plans = bounded("number of plans", bytes.get_u16_le().into(), PLANS_MAX)?;
        need(bytes, plans * 8)?;
        let plans = (0..plans).map(|_| PlanId(bytes.get_u64_le())).collect();
        Ok(Hello { role, name, plans })
    }
}

impl Data {
    /// The same frame with the part `wanted` of its payload, which lies at
    /// `from`.
    pub fn part(&self, from: &Region, wanted: &Region) -> Result<Data, TensorError> {
        let shape = self.shape.iter().map(|&d| d as usize).collect();
        let tensor = Tensor::new(self.dtype, shape, self.payload.clone())?;
        let part = crop(&tensor, from, wanted)?;
        let shape = part.shape().iter().map(|&d| d as u32).collect();
        Ok(Data { shape, payload: part.data().clone(), ..self.clone() })
    }

    fn write(&self, out: &mut BytesMut) {
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
        out.put_u32_le(self.rows.0);
        out.put_u32_le(self.rows.1);
        out.put_u8(self.dtype.onnx() as u8);
        out.put_u8(self.shape.len() as u8);
        out.put_u16_le(0);
        self.shape.iter().for_each(|&d| out.put_u32_le(d));
        out.put_slice(&self.payload);
    }

    fn read(bytes: &mut Bytes, input: bool) -> Result<Data, FrameError> {
        need(bytes, DATA_FIXED_BYTES)?;
        let plan = PlanId(bytes.get_u64_le());
        let request = RequestId { run: read_run(bytes), number: bytes.get_u64_le() };
        let (members, suspects) = (DeviceSet(bytes.get_u64_le()), DeviceSet(bytes.get_u64_le()));
        let (attempt, deadline_left_us) = (bytes.get_u32_le(), bytes.get_u32_le());
        let (value, shard) = (ValueId(bytes.get_u16_le()), bytes.get_u16_le());
        let rows = (bytes.get_u32_le(), bytes.get_u32_le());
        if rows.0 > rows.1 {
            return Err(FrameError::Field {
                what: "first row",
                got: rows.0.into(),
                limit: rows.1.into(),
            });
        }
        let dtype = bytes.get_u8();
        let dtype = DType::from_onnx(dtype.into()).ok_or(FrameError::Field {
            what: "dtype",
            got: dtype.into(),
            limit: 11,
        })?;
        let rank = bounded("rank", bytes.get_u8().into(), RANK_MAX)?;
        bounded("reserved", bytes.get_u16_le().into(), 0)?;
        need(bytes, rank * 4)?;
        let shape: Vec<u32> = (0..rank).map(|_| bytes.get_u32_le()).collect();
        let dims: Vec<usize> = shape.iter().map(|&d| d as usize).collect();
        let needed = byte_len(dtype, &dims).unwrap_or(usize::MAX);
        if needed != bytes.len() {
            return Err(FrameError::Payload { got: bytes.len(), needed });
        }
        let payload = bytes.split_to(needed);
        Ok(Data {
            input,
            request,
            attempt,
            plan,
            members,
            suspects,
            deadline_left_us,
            value,
            shard,
            rows,
            dtype,
            shape,
            payload,
        })
    }
}

impl Watermark {
    fn write(&self, out: &mut BytesMut) {
        assert!(self.also.len() <= NUMBERS_MAX);
        write_run(self.run, out);
        out.put_u64_le(self.below);
        out.put_u16_le(self.also.len() as u16);
        self.also.iter().for_each(|&number| out.put_u64_le(number));
    }

    fn read(bytes: &mut Bytes) -> Result<Watermark, FrameError> {
        need(bytes, 26)?;
        let (run, below) = (read_run(bytes), bytes.get_u64_le());
        let count = bounded("finished requests", bytes.get_u16_le().into(), NUMBERS_MAX)?;
        need(bytes, count * 8)?;
        let also = (0..count).map(|_| bytes.get_u64_le()).collect();
        Ok(Watermark { run, below, also })
    }
}

impl Heartbeat {
    fn write(&self, out: &mut BytesMut) {
        for n in [self.tasks, self.decoded, self.dropped, self.skipped, self.refused] {
            out.put_u64_le(n);
        }
    }

    fn read(bytes: &mut Bytes) -> Result<Heartbeat, FrameError> {
        need(bytes, 40)?;
        Ok(Heartbeat {
            tasks: bytes.get_u64_le(),
            decoded: bytes.get_u64_le(),
            dropped: bytes.get_u64_le(),
            skipped: bytes.get_u64_le(),
            refused: bytes.get_u64_le(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run() -> GatewayRun {
        GatewayRun { gateway: 7, epoch: 2 }
    }

    fn shard() -> Frame {
        Frame::Data(Data {
            input: false,
            request: RequestId { run: run(), number: 258 },
            attempt: 1,
            plan: PlanId(0x0102_0304_0506_0708),
            members: DeviceSet::first(5),
            suspects: DeviceSet(4),
            deadline_left_us: 1_000_000,
            value: ValueId(3),
            shard: 2,
            rows: (4, 6),
            dtype: DType::F32,
            shape: vec![1, 2],
            payload: Bytes::from_static(&[0, 0, 128, 63, 0, 0, 0, 64]),
        })
    }

    fn frames() -> Vec<Frame> {
        vec![
            Frame::Hello(Hello {
                role: Role::Gateway(run()),
                name: String::new(),
                plans: vec![PlanId(1), PlanId(2)],
            }),
            Frame::Hello(Hello { role: Role::Worker, name: "pi-1".into(), plans: vec![] }),
            shard(),
            Frame::Watermark(Watermark { run: run(), below: 9, also: vec![11, 12] }),
            Frame::Heartbeat(Heartbeat {
                tasks: 1,
                decoded: 2,
                dropped: 3,
                skipped: 4,
                refused: 5,
            }),
        ]
    }

    fn body(frame: &Frame) -> Bytes {
        frame.encode().slice(LENGTH_BYTES..)
    }

    /// The bytes of one shard, written down once: a change here is a change
    /// of the format and needs another [`VERSION`].
    #[test]
    fn golden_bytes() {
        let hex: String = shard().encode().iter().map(|b| format!("{b:02x}")).collect();
        let golden = concat!(
            "00000060",
            "5152",
            "01",
            "03",
            "CRC",
            "0807060504030201",
            "0700000000000000",
            "0200000000000000",
            "0201000000000000",
            "1f00000000000000",
            "0400000000000000",
            "01000000",
            "40420f00",
            "0300",
            "0200",
            "04000000",
            "06000000",
            "01",
            "02",
            "0000",
            "01000000",
            "02000000",
            "0000803f",
            "00000040"
        );
        let crc = &hex[16..24];
        assert_eq!(hex, golden.replace("CRC", crc));
        assert_eq!(crc, "90362c89");
    }

    #[test]
    fn there_and_back() {
        for frame in frames() {
            assert_eq!(Frame::decode(body(&frame)), Ok(frame));
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        for frame in frames() {
            let good = body(&frame);
            for bit in 0..good.len() * 8 {
                let mut bad = good.to_vec();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(Frame::decode(bad.into()).is_err(), "bit {bit} of {frame:?}");
            }
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        for frame in frames() {
            let good = body(&frame);
            for length in 0..good.len() {
                assert!(Frame::decode(good.slice(..length)).is_err());
            }
        }
    }

    /// A frame whose checksum is right but whose fields lie.
    #[test]
    fn fields_are_bounded() {
        let cases: [(usize, u8, &str); 4] = [
            (8 + 68, 99, "frame field dtype is 99, limit 11"),
            (8 + 69, 200, "frame field rank is 200, limit 8"),
            (8 + 72, 9, "frame payload of 8 bytes, its shape needs 72"),
            (8 + 60, 7, "frame field first row is 7, limit 6"),
        ];
        for (at, byte, message) in cases {
            let mut bad = body(&shard()).to_vec();
            bad[at] = byte;
            let sum = checksum(&bad);
            bad[4..8].copy_from_slice(&sum.to_le_bytes());
            assert_eq!(Frame::decode(bad.into()).unwrap_err().to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_a_value(mut bytes: Vec<u8>, kind in 0u8..7) {
            let _ = Frame::decode(bytes.clone().into());
            if bytes.len() >= PREFIX_BYTES {
                bytes[..4].copy_from_slice(&[b'Q', b'R', VERSION, kind]);
                let sum = checksum(&bytes);
                bytes[4..8].copy_from_slice(&sum.to_le_bytes());
                let _ = Frame::decode(bytes.into());
            }
        }
    }
}
