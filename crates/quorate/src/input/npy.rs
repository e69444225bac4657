//! NumPy's array files.
//!
//! ```text
//! 93 NUMPY major minor | header length | header text | values
//! ```
//!
//! The header is a Python dictionary of three entries, of which only the plain
//! form is read; that spares a parser of Python literals. Source: NEP 1 and
//! `numpy.lib.format`.

use anyhow::{Context, bail, ensure};
use quorate_model::tensor::{DType, Tensor};

use super::items::Items;
use super::limits::FILE_BYTES_MAX;
use super::target::Target;

const MAGIC: &[u8] = b"\x93NUMPY";

/// NumPy itself refuses longer ones by default.
const HEADER_BYTES_MAX: usize = 10_000;

/// Whether `bytes` begin as an array file does.
pub(super) fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// What a value is: kind and size in bytes, as in `f4`, and its byte order.
#[derive(Clone, Copy)]
struct Type {
    kind: u8,
    size: usize,
    big_endian: bool,
}

impl Type {
    fn new(descr: &str) -> anyhow::Result<Type> {
        let unsupported =
            || format!("its type is {descr:?}, supported are b1, i1 to i8, u1 to u8 and f2 to f8");
        let &[order, kind, size] = descr.as_bytes() else { bail!(unsupported()) };
        let big_endian = match order {
            b'<' | b'|' => false,
            b'>' => true,
            b'=' => cfg!(target_endian = "big"),
            _ => bail!(unsupported()),
        };
        let size = usize::from(size.wrapping_sub(b'0'));
        match (kind, size) {
            (b'b', 1) | (b'i' | b'u', 1 | 2 | 4 | 8) | (b'f', 2 | 4 | 8) => {}
            _ => bail!(unsupported()),
        }
        Ok(Type { kind, size, big_endian })
    }

    /// The element type of tensors that is the same; `None` where there is none.
    fn dtype(self) -> Option<DType> {
        Some(match (self.kind, self.size) {
            (b'b', _) => DType::Bool,
            (b'i', 1) => DType::I8,
            (b'i', 2) => DType::I16,
            (b'i', 4) => DType::I32,
            (b'i', _) => DType::I64,
            (b'u', 1) => DType::U8,
            (b'u', 2) => DType::U16,
            (b'u', 4) => DType::U32,
            (b'u', _) => DType::U64,
            (b'f', 2) => DType::F16,
            (b'f', 4) => DType::F32,
            (b'f', _) => DType::F64,
            _ => return None,
        })
    }

    /// The elements in `bytes`, little-endian.
    fn little(self, bytes: &[u8]) -> Vec<u8> {
        match self.big_endian {
            true => bytes.chunks_exact(self.size).flat_map(|b| b.iter().rev().copied()).collect(),
            false => bytes.to_vec(),
        }
    }

    /// The value in `bytes`, which are as many as its size.
    fn value(self, bytes: &[u8]) -> f32 {
        // Widened to eight bytes, little-endian, with the sign kept.
        let top = if self.big_endian { bytes[0] } else { bytes[bytes.len() - 1] };
        let negative = self.kind == b'i' && top >= 0x80;
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..self.size].copy_from_slice(bytes);
        if self.big_endian {
            wide[..self.size].reverse();
        }
        let bits = u64::from_le_bytes(wide);
        match (self.kind, self.size) {
            (b'f', 2) => half::f16::from_bits(bits as u16).to_f32(),
            (b'f', 4) => f32::from_bits(bits as u32),
            (b'f', _) => f64::from_bits(bits) as f32,
            (b'i', _) => bits as i64 as f32,
            _ => bits as f32,
        }
    }
}

/// What follows the colon of entry `key` in the header.
fn entry<'a>(header: &'a str, key: &str) -> anyhow::Result<&'a str> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    quoted
        .iter()
        .find_map(|key| header.split_once(key.as_str()))
        .and_then(|(_, rest)| rest.trim_start().strip_prefix(':'))
        .map(str::trim_start)
        .with_context(|| format!("its header has no {key}"))
}

fn parse_descr(text: &str) -> anyhow::Result<Type> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let quote = quote.context("its values are records, not numbers")?;
    let descr = text[1..].split(quote).next().unwrap_or_default();
    Type::new(descr)
}

fn parse_shape(text: &str) -> anyhow::Result<Vec<usize>> {
    let inner = text.strip_prefix('(').and_then(|t| t.split_once(')'));
    let (inner, _) = inner.context("the shape in its header is no tuple")?;
    let parts = inner.split(',').map(str::trim).filter(|p| !p.is_empty());
    parts.map(|p| p.parse().with_context(|| format!("its header has a length of {p:?}"))).collect()
}

/// The header's text and the values after it.
fn split(bytes: &[u8]) -> anyhow::Result<(&str, &[u8])> {
    let cut = || format!("it ends within its header, {} bytes long", bytes.len());
    let (length, start) = match bytes.get(6..) {
        Some(&[1, _, a, b, ..]) => (usize::from(u16::from_le_bytes([a, b])), 10),
        Some(&[2 | 3, _, a, b, c, d, ..]) => (u32::from_le_bytes([a, b, c, d]) as usize, 12),
        Some(&[major, _, _, _, ..]) if !(1..=3).contains(&major) => {
            bail!("its format has version {major}, supported are 1 to 3")
        }
        _ => bail!(cut()),
    };
    ensure!(length <= HEADER_BYTES_MAX, "its header has {length} bytes, limit {HEADER_BYTES_MAX}");
    let (header, data) = bytes[start..].split_at_checked(length).with_context(cut)?;
    Ok((std::str::from_utf8(header).context("its header is no text")?, data))
}

/// Type, shape and values of a file.
fn array(bytes: &[u8]) -> anyhow::Result<(Type, Vec<usize>, &[u8])> {
    let (header, data) = split(bytes)?;
    let kind = parse_descr(entry(header, "descr")?)?;
    let shape = parse_shape(entry(header, "shape")?)?;
    if entry(header, "fortran_order")?.starts_with("True") && shape.len() > 1 {
        bail!("it is in Fortran order: save numpy.ascontiguousarray(array)");
    }
    let needed = shape.iter().try_fold(kind.size, |n, &d| n.checked_mul(d));
    let Some(needed) = needed.filter(|&n| n as u64 <= FILE_BYTES_MAX) else {
        bail!("its header says {shape:?}, over the limit of {FILE_BYTES_MAX} bytes");
    };
    ensure!(
        data.len() == needed,
        "its header says {shape:?}, {needed} bytes, but {} follow",
        data.len()
    );
    Ok((kind, shape, data))
}

/// The array of a file as a tensor of its own type.
pub(super) fn tensor(bytes: &[u8]) -> anyhow::Result<Tensor> {
    let (kind, shape, data) = array(bytes)?;
    let dtype = kind.dtype().context("its type is one that no tensor has")?;
    Ok(Tensor::new(dtype, shape, kind.little(data).into())?)
}

/// What stands before the values of an array, with all that is needed to begin
/// them at a multiple of 64 bytes.
pub(super) fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let lengths: String = shape.iter().map(|d| format!("{d},")).collect();
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({lengths}), }}");
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = [MAGIC, &[1, 0], &(length as u16).to_le_bytes()].concat();
    bytes.extend(format!("{text:<width$}\n", width = length - 1).bytes());
    bytes
}

/// An array that is one input, or a batch of them along its first axis.
pub(super) struct Npy<'a> {
    kind: Type,
    count: usize,
    elements: usize,
    data: &'a [u8],
}

impl<'a> Npy<'a> {
    pub(super) fn new(bytes: &'a [u8], target: &Target) -> anyhow::Result<Npy<'a>> {
        let (kind, shape, data) = array(bytes)?;
        let Some(count) = batch(&shape, target.shape) else {
            bail!("its array is {shape:?}, the model's input is {:?}", target.shape);
        };
        Ok(Npy { kind, count, elements: target.elements, data })
    }
}

/// How many inputs of shape `target` an array of `shape` is.
fn batch(shape: &[usize], target: &[usize]) -> Option<usize> {
    if shape == target {
        return Some(1);
    }
    let (&1, one) = target.split_first()? else { return None };
    match shape.split_first() {
        _ if shape == one => Some(1),
        Some((&count, item)) if item == one => Some(count),
        _ => None,
    }
}

impl Items for Npy<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn values(&self, index: usize) -> Vec<f32> {
        let bytes = self.elements * self.kind.size;
        let item = &self.data[index * bytes..][..bytes];
        item.chunks_exact(self.kind.size).map(|b| self.kind.value(b)).collect()
    }

    fn exact(&self, index: usize, dtype: DType) -> Option<Vec<u8>> {
        let bytes = self.elements * self.kind.size;
        let item = &self.data[index * bytes..][..bytes];
        (self.kind.dtype() == Some(dtype)).then(|| self.kind.little(item))
    }

    fn scale(&self) -> f32 {
        1.0
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file as NumPy writes it.
    pub(in super::super) fn file(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        let header = format!("{header:<117}\n");
        let mut bytes = [MAGIC, &[1, 0, header.len() as u8, 0]].concat();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn message(bytes: &[u8], shape: &[usize]) -> String {
        format!("{:#}", Npy::new(bytes, &Target::new(DType::F32, shape).unwrap()).err().unwrap())
    }

    #[test]
    fn every_type() {
        let cases: [(&str, &[u8], f32); 13] = [
            ("|b1", &[1], 1.0),
            ("|u1", &[200], 200.0),
            ("|i1", &[0xfe], -2.0),
            ("<i2", &[0xfe, 0xff], -2.0),
            (">i2", &[0xff, 0xfe], -2.0),
            (">u2", &[1, 0], 256.0),
            ("<u4", &[0xff; 4], u32::MAX as f32),
            ("<i4", &[0xff; 4], -1.0),
            ("<i8", &[0xff; 8], -1.0),
            (">i8", &[0, 0, 0, 0, 0, 0, 0, 5], 5.0),
            ("<u8", &[5, 0, 0, 0, 0, 0, 0, 0], 5.0),
            (">f4", &[0x3f, 0x80, 0, 0], 1.0),
            ("<f8", &[0, 0, 0, 0, 0, 0, 0, 0x40], 2.0),
        ];
        for (descr, value, expected) in cases {
            let bytes = file(descr, "(1,)", value);
            let npy = Npy::new(&bytes, &Target::new(DType::F32, &[1]).unwrap()).unwrap();
            assert_eq!(npy.values(0), [expected], "{descr}");
        }
    }

    #[test]
    fn one_input_or_a_batch() {
        let cases: [(&[usize], &[usize], Option<usize>); 6] = [
            (&[1, 2, 3], &[1, 2, 3], Some(1)),
            (&[5, 2, 3], &[1, 2, 3], Some(5)),
            (&[2, 3], &[1, 2, 3], Some(1)),
            (&[4, 2, 3], &[4, 2, 3], Some(1)),
            (&[8, 2, 3], &[4, 2, 3], None),
            (&[3, 2], &[1, 2, 3], None),
        ];
        for (shape, target, expected) in cases {
            assert_eq!(batch(shape, target), expected, "{shape:?} for {target:?}");
        }
        let bytes = file("|u1", "(2, 2)", &[1, 2, 3, 4]);
        let npy = Npy::new(&bytes, &Target::new(DType::F32, &[1, 2]).unwrap()).unwrap();
        assert_eq!((npy.count(), npy.values(1)), (2, vec![3.0, 4.0]));
    }

    #[test]
    fn headers_must_be_true() {
        let good = file("<f4", "(1, 2)", &[0; 8]);
        let cases = [
            (good[..good.len() - 1].to_vec(), "its header says [1, 2], 8 bytes, but 7 follow"),
            (good[..20].to_vec(), "it ends within its header, 20 bytes long"),
            (good[..8].to_vec(), "it ends within its header, 8 bytes long"),
            (file("<f4", "(3, 1)", &[0; 12]), "its array is [3, 1], the model's input is [1, 2]"),
            (
                file("<c8", "(1, 2)", &[0; 4]),
                "its type is \"<c8\", supported are b1, i1 to i8, u1 to u8 and f2 to f8",
            ),
            (
                file("<f4", "(99999999999, 99999999999)", &[]),
                "its header says [99999999999, 99999999999], over the limit of 536870912 bytes",
            ),
        ];
        for (bytes, expected) in cases {
            assert_eq!(message(&bytes, &[1, 2]), expected);
        }
        let turned = String::from_utf8_lossy(&good[10..]).replace("False", "True ");
        let turned = [&good[..10], turned.as_bytes()].concat();
        assert!(message(&turned, &[1, 2]).contains("Fortran order"));
        let long = [MAGIC, &[2, 0, 0xff, 0xff, 0xff, 0xff]].concat();
        assert_eq!(message(&long, &[1]), "its header has 4294967295 bytes, limit 10000");
    }
}
