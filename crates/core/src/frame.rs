//! Messages between processes, and the format of their bytes.
//!
//! ```text
//! length u32 (big endian) | "QR" | version u8 | kind u8 | crc32 u32 | body
//! ```
//!
//! Numbers in the body are little endian. The checksum covers everything behind
//! the length except itself. A payload is the tail of the body: it is never
//! copied, neither to stand behind its head nor out of the bytes received.
//!
//! *Invariant:* decoding allocates nothing larger than the frame it was given.

mod audit;
mod data;
mod encoded;
mod error;
mod failure;
mod field;
mod format;
mod heartbeat;
mod hello;
mod payload;
mod progress;
mod watermark;

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub use self::{
    audit::Report,
    data::Data,
    encoded::Encoded,
    error::FrameError,
    failure::Failure,
    format::{HEAD_BYTES_MAX, LENGTH_BYTES},
    heartbeat::Heartbeat,
    hello::{Hello, Role},
    payload::Payload,
    progress::{Progress, Standing},
    watermark::Watermark,
};

pub(crate) use audit::ENTRIES_MAX;
pub(crate) use progress::{SOME_BYTES, STANDINGS_MAX};

use encoded::checksum;
use field::need;
use format::{MAGIC, PREFIX_BYTES, VERSION};

/// A message between two processes.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// The first frame on a connection, in both directions.
    Hello(Hello),
    /// A request's input, or a shard of one of its values.
    Data(Data),
    /// Which requests of a gateway are finished.
    Watermark(Watermark),
    /// A device is alive, and what it did so far.
    Heartbeat(Heartbeat),
    /// A device will not make a shard.
    Failure(Failure),
    /// How far requests are at a device.
    Progress(Progress),
    /// What a device has found when it held shards against each other.
    Report(Report),
}

/// Is this the beginning of a frame, its length in front, that carries a shard?
/// For whoever treats what was computed otherwise than what else is sent.
pub fn is_shard(bytes: &[u8]) -> bool {
    kind(bytes) == Some(SHARD)
}

/// Is this the beginning of a frame, its length in front, that carries a shard
/// or an input?
pub fn is_data(bytes: &[u8]) -> bool {
    matches!(kind(bytes), Some(SHARD | INPUT))
}

/// The kind of a frame that begins so, its length in front.
fn kind(bytes: &[u8]) -> Option<u8> {
    bytes.get(LENGTH_BYTES + MAGIC.len() + 1).copied()
}

const HELLO: u8 = 1;
const INPUT: u8 = 2;
const SHARD: u8 = 3;
const WATERMARK: u8 = 4;
const HEARTBEAT: u8 = 5;
const FAILURE: u8 = 6;
const PROGRESS: u8 = 7;
const REPORT: u8 = 8;

impl Frame {
    /// The frame's bytes, its length in front.
    ///
    /// # Panics
    /// If a field is past the bounds that [`Frame::decode`] enforces.
    pub fn encode(&self) -> Encoded {
        let mut head = BytesMut::with_capacity(256);
        head.put_bytes(0, LENGTH_BYTES);
        head.put_slice(&MAGIC);
        head.put_u8(VERSION);
        head.put_u8(self.kind());
        head.put_u32_le(0);
        match self {
            Frame::Hello(hello) => hello.write(&mut head),
            Frame::Data(data) => data.write_head(&mut head),
            Frame::Watermark(mark) => mark.write(&mut head),
            Frame::Heartbeat(beat) => beat.write(&mut head),
            Frame::Failure(failure) => failure.write(&mut head),
            Frame::Progress(progress) => progress.write(&mut head),
            Frame::Report(report) => report.write(&mut head),
        }
        match self {
            Frame::Data(data) => Encoded::seal(head, &data.payload).of(data.request),
            _ => Encoded::seal(head, &Payload::default()),
        }
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
            FAILURE => Frame::Failure(Failure::read(&mut bytes)?),
            PROGRESS => Frame::Progress(Progress::read(&mut bytes)?),
            REPORT => Frame::Report(Report::read(&mut bytes)?),
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
            Frame::Failure(_) => FAILURE,
            Frame::Progress(_) => PROGRESS,
            Frame::Report(_) => REPORT,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quorate_code::ShardSet;
    use quorate_model::tensor::DType;

    use super::*;
    use crate::audit::{Audited, Checks, Finding};
    use crate::failure::TaskError;
    use crate::id::{DeviceSet, GatewayRun, PlanId, RequestId, StageId, ValueId};

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
            checks: Checks { audit: true, strict: false, prompt: true, lenient: false },
            of_decoded: true,
            deadline_left_us: 1_000_000,
            value: ValueId(3),
            shard: 2,
            place: (4, 6),
            dtype: DType::F32,
            shape: vec![1, 2],
            payload: Bytes::from_static(&[0, 0, 128, 63, 0, 0, 0, 64]).into(),
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
                reaches: DeviceSet(6),
            }),
            Frame::Progress(Progress {
                run: run(),
                bytes: 1 << 40,
                standings: vec![
                    Standing { number: 7, attempt: 0, moves: 3, is_busy: true },
                    Standing { number: 9, attempt: 2, moves: 0, is_busy: false },
                ],
            }),
            Frame::Failure(Failure {
                request: RequestId { run: run(), number: 258 },
                attempt: 1,
                plan: PlanId(1),
                stage: StageId(3),
                shard: 2,
                error: TaskError::of_request("700000 does not fit in f16"),
            }),
            Frame::Report(Report {
                request: RequestId { run: run(), number: 258 },
                attempt: 1,
                plan: PlanId(1),
                is_complete: true,
                audited: [Finding::Unchecked, Finding::Clean, Finding::Corrupt(ShardSet::first(3))]
                    .map(|finding| Audited { value: ValueId(2), have: ShardSet::first(4), finding })
                    .into(),
            }),
        ]
    }

    fn body(frame: &Frame) -> Bytes {
        frame.encode().to_bytes().slice(LENGTH_BYTES..)
    }

    /// The bytes of one shard, written down once: a change here is a change
    /// of the format and needs another [`VERSION`].
    #[test]
    fn golden_bytes() {
        let hex: String = shard().encode().to_bytes().iter().map(|b| format!("{b:02x}")).collect();
        let golden = concat!(
            "00000060",
            "5152",
            "03",
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
            "0580",
            "01000000",
            "02000000",
            "0000803f",
            "00000040"
        );
        let crc = &hex[16..24];
        assert_eq!(hex, golden.replace("CRC", crc));
        assert_eq!(crc, "20f425ca");
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
            (8 + 68, 99, "frame field dtype is 99, limit 13"),
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
        fn any_bytes_decode_to_a_value(mut bytes: Vec<u8>, kind in 0u8..9) {
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
