//! IDX: the format of MNIST and its kin.
//!
//! ```text
//! 0 0 type rank | rank lengths, u32 big-endian | values, big-endian
//! ```
//!
//! Source: the format's description on the page of the MNIST database.

use anyhow::{Context, bail, ensure};

use super::items::Items;
use super::limits::FILE_BYTES_MAX;
use super::target::Target;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Type {
    fn from_code(code: u8) -> Option<Type> {
        Some(match code {
            0x08 => Type::U8,
            0x09 => Type::I8,
            0x0b => Type::I16,
            0x0c => Type::I32,
            0x0d => Type::F32,
            0x0e => Type::F64,
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Type::U8 | Type::I8 => 1,
            Type::I16 => 2,
            Type::I32 | Type::F32 => 4,
            Type::F64 => 8,
        }
    }

    /// The value in `bytes`, which are as many as its size.
    fn value(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Type::U8, &[a]) => f32::from(a),
            (Type::I8, &[a]) => f32::from(a as i8),
            (Type::I16, &[a, b]) => f32::from(i16::from_be_bytes([a, b])),
            (Type::I32, &[a, b, c, d]) => i32::from_be_bytes([a, b, c, d]) as f32,
            (Type::F32, &[a, b, c, d]) => f32::from_be_bytes([a, b, c, d]),
            (Type::F64, &[a, b, c, d, e, f, g, h]) => {
                f64::from_be_bytes([a, b, c, d, e, f, g, h]) as f32
            }
            _ => unreachable!("chunks are of the type's size"),
        }
    }
}

/// Whether `bytes` begin as an IDX file does.
pub(super) fn is_idx(bytes: &[u8]) -> bool {
    matches!(bytes, [0, 0, code, 1..=8, ..] if Type::from_code(*code).is_some())
}

/// An IDX file's header and values.
struct File<'a> {
    kind: Type,
    lengths: Vec<usize>,
    data: &'a [u8],
}

impl<'a> File<'a> {
    fn new(bytes: &'a [u8]) -> anyhow::Result<File<'a>> {
        ensure!(is_idx(bytes), "it does not begin as an IDX file does");
        let (kind, rank) = (bytes[2], usize::from(bytes[3]));
        let kind = Type::from_code(kind).context("its values have an unknown type")?;
        let Some((header, data)) = bytes[4..].split_at_checked(rank * 4) else {
            bail!("it ends within its header, {} bytes long", bytes.len());
        };
        let length = |b: &[u8]| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize;
        let lengths: Vec<usize> = header.chunks_exact(4).map(length).collect();
        let needed = lengths.iter().try_fold(kind.size(), |n, &d| n.checked_mul(d));
        let Some(needed) = needed.filter(|&n| n as u64 <= FILE_BYTES_MAX) else {
            bail!("its header says {lengths:?} values, over the limit of {FILE_BYTES_MAX} bytes");
        };
        ensure!(
            data.len() == needed,
            "its header says {lengths:?} values, {needed} bytes, but {} follow",
            data.len()
        );
        Ok(File { kind, lengths, data })
    }
}

/// A data set: the first length counts the items.
pub(super) struct Idx<'a> {
    kind: Type,
    count: usize,
    item_bytes: usize,
    data: &'a [u8],
}

impl<'a> Idx<'a> {
    pub(super) fn new(bytes: &'a [u8], target: &Target) -> anyhow::Result<Idx<'a>> {
        let File { kind, lengths, data } = File::new(bytes)?;
        let (count, item) = (lengths[0], &lengths[1..]);
        if count == 0 {
            bail!("it holds no inputs");
        }
        let item_bytes = data.len() / count;
        ensure!(
            item_bytes / kind.size() == target.elements,
            "its items are {item:?}, the model's input is {:?}",
            target.shape
        );
        Ok(Idx { kind, count, item_bytes, data })
    }
}

impl Items for Idx<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn values(&self, index: usize) -> Vec<f32> {
        let item = &self.data[index * self.item_bytes..][..self.item_bytes];
        item.chunks_exact(self.kind.size()).map(|b| self.kind.value(b)).collect()
    }

    fn scale(&self) -> f32 {
        if self.kind == Type::U8 { 1.0 / 255.0 } else { 1.0 }
    }
}

/// The labels of an IDX file: bytes, of rank 1.
pub(super) fn labels(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let File { kind, lengths, data } = File::new(bytes)?;
    ensure!(
        kind == Type::U8 && lengths.len() == 1,
        "it holds {kind:?} {lengths:?}, labels are U8 of rank 1"
    );
    Ok(data.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits() -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        bytes.extend([0, 51, 102, 255]);
        bytes
    }

    fn message(bytes: &[u8], shape: &[usize]) -> String {
        let target = Target::new(quorate_model::tensor::DType::F32, shape).unwrap();
        Idx::new(bytes, &target).err().unwrap().to_string()
    }

    #[test]
    fn items_in_order() {
        let bytes = digits();
        let idx = Idx::new(
            &bytes,
            &Target::new(quorate_model::tensor::DType::F32, &[1, 1, 1, 2]).unwrap(),
        )
        .unwrap();
        assert_eq!(idx.count(), 2);
        assert_eq!(idx.values(0), [0.0, 51.0]);
        assert_eq!(idx.values(1), [102.0, 255.0]);
    }

    #[test]
    fn every_type() {
        let cases: [(u8, &[u8], f32); 6] = [
            (0x08, &[200], 200.0),
            (0x09, &[0xff], -1.0),
            (0x0b, &[0xff, 0xfe], -2.0),
            (0x0c, &[0, 0, 1, 0], 256.0),
            (0x0d, &[0x3f, 0x80, 0, 0], 1.0),
            (0x0e, &[0x40, 0, 0, 0, 0, 0, 0, 0], 2.0),
        ];
        for (code, value, expected) in cases {
            let bytes = [&[0, 0, code, 1, 0, 0, 0, 1], value].concat();
            let idx =
                Idx::new(&bytes, &Target::new(quorate_model::tensor::DType::F32, &[1]).unwrap())
                    .unwrap();
            assert_eq!(idx.values(0), [expected], "{code:#x}");
        }
    }

    #[test]
    fn sizes_must_be_true() {
        let bytes = digits();
        let shape = [1, 1, 1, 2];
        assert_eq!(
            message(&bytes[..19], &shape),
            "its header says [2, 1, 2] values, 4 bytes, but 3 follow"
        );
        assert_eq!(message(&bytes[..9], &shape), "it ends within its header, 9 bytes long");
        assert_eq!(
            message(&bytes, &[1, 1, 28, 28]),
            "its items are [1, 2], the model's input is [1, 1, 28, 28]"
        );
        let huge = [&[0, 0, 8, 8][..], &[0xff; 32]].concat();
        assert!(message(&huge, &shape).contains("over the limit"));
        let empty = [0, 0, 8, 1, 0, 0, 0, 0];
        assert_eq!(message(&empty, &shape), "it holds no inputs");
    }

    #[test]
    fn labels_are_bytes_of_rank_one() {
        let bytes = [0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1];
        assert_eq!(labels(&bytes).unwrap(), [7, 2, 1]);
        assert_eq!(
            labels(&digits()).unwrap_err().to_string(),
            "it holds U8 [2, 1, 2], labels are U8 of rank 1"
        );
    }
}
