//! Merges shards into the value, or into the part of it that is wanted.
//!
//! ```text
//! widen (f16 -> f32) -> take copies -> decode what is missing -> lay together
//! ```
//!
//! Rows and tiles are laid beside each other, terms are added up. Decoding and
//! sums accumulate in f64.

use std::borrow::Cow;

use bytes::Bytes;
use quorate_code::{CodeError, Decoder, ShardSet};
use quorate_model::division::Merge;
use quorate_model::region::Region;
use quorate_model::tensor::{DType, Tensor, TensorError, read_f32};

use crate::half::widen;
use crate::plan::{Need, Sharding};
use quorate_model::region::{self, whole};
use quorate_model::value::Value;

/// Why a gathered value cannot be assembled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum MergeError {
    #[error("value {value}")]
    Code { value: String, source: CodeError },
    #[error("value {value}")]
    Tensor { value: String, source: TensorError },
    #[error("value {value} of {dtype} cannot be decoded, only f32 can")]
    Type { value: String, dtype: DType },
    #[error("value {value}: shard {shard} is missing and not recovered")]
    Absent { value: String, shard: usize },
}

/// A shard that is equal to data shard `data`: itself or a copy.
fn copy_of(sharding: &Sharding, used: ShardSet, data: usize) -> Option<usize> {
    used.iter().find(|shard| sharding.data_of(*shard) == Some(data))
}

/// Data shards that have to be decoded for `need`, or for all of the value.
pub(super) fn missing<'a>(
    sharding: &'a Sharding,
    need: Option<&'a Need>,
    used: ShardSet,
) -> impl Iterator<Item = usize> + 'a {
    let needed = move |data: &usize| need.is_none_or(|need| !need.pieces[*data].is_empty());
    // What boxes of an area leave out nothing brings back.
    let n = if sharding.is_area() { 0 } else { sharding.code.data_shards() };
    (0..n).filter(needed).filter(move |data| copy_of(sharding, used, *data).is_none())
}

/// Makes the box `wanted` of `value`, or all of it, of the shards `used`. `shards`
/// are all payloads, by shard: pieces where there is a `need`.
pub(super) fn merge(
    value: &Value,
    sharding: &Sharding,
    (wanted, need): (Option<&Region>, Option<&Need>),
    used: ShardSet,
    shards: &[Option<Bytes>],
) -> Result<Tensor, MergeError> {
    let name = || value.name.clone();
    let wrong = |source| MergeError::Tensor { value: name(), source };
    let target = wanted.cloned().unwrap_or_else(|| whole(&value.shape));
    let place = Laying { value, sharding, need, target };
    let narrow = sharding.wire == DType::F16 && value.dtype == DType::F32;
    let widened = |shard: &Bytes| if narrow { Bytes::from(widen(shard)) } else { shard.clone() };
    let shards: Vec<Option<Bytes>> =
        shards.iter().map(|shard| shard.as_ref().map(widened)).collect();
    let chosen = |data: usize| {
        let shard = copy_of(sharding, used, data)?;
        Some((shard, shards[shard].as_ref()?))
    };
    let count = sharding.division.shards();
    let shape = region::shape(&place.target);
    if let (1, Some((shard, payload))) = (count, chosen(0))
        && place.is_all(shard)
    {
        return Tensor::new(value.dtype, shape, payload.clone()).map_err(wrong);
    }
    let lost: Vec<usize> = missing(sharding, need, used).collect();
    if !lost.is_empty() && value.dtype != DType::F32 {
        return Err(MergeError::Type { value: name(), dtype: value.dtype });
    }
    // Words of four bytes, so that f32 values can be written in place.
    let bytes = shape.iter().product::<usize>() * value.dtype.size();
    let mut out = vec![0u32; bytes.div_ceil(4)];
    if sharding.division.merge() == Merge::Add {
        let terms: Option<Vec<_>> = (0..count).map(chosen).collect();
        let terms = terms.ok_or_else(|| MergeError::Absent {
            value: name(),
            shard: lost.first().copied().unwrap_or(0),
        })?;
        let term = |(shard, payload): (usize, &Bytes)| place.cut(shard, payload, bytes);
        let terms: Vec<Bytes> = terms.into_iter().map(term).collect();
        add_up(&terms, bytemuck::cast_slice_mut(&mut out));
    } else {
        let flat: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut out)[..bytes];
        // Of copies one is enough; boxes of an area may differ in what they bring.
        let is_laid = |shard: &usize| {
            let data = sharding.data_of(*shard);
            sharding.is_area()
                || data.and_then(|data| copy_of(sharding, used, data)) == Some(*shard)
        };
        for shard in used.iter().filter(is_laid) {
            if let Some(payload) = &shards[shard] {
                place.lay(shard, payload, flat);
            }
        }
        if !lost.is_empty() {
            let wrong = |source| MergeError::Code { value: name(), source };
            let decoding = Decoding::new(value, sharding, used, &shards).map_err(wrong)?;
            for shard in lost {
                let payload = decoding.recover(shard).map_err(wrong)?;
                place.lay(shard, bytemuck::cast_slice(&payload), flat);
            }
        }
    }
    let data = Bytes::from_owner(Words(out)).slice(..bytes);
    Tensor::new(value.dtype, shape, data).map_err(wrong)
}

/// Where payloads go.
struct Laying<'a> {
    value: &'a Value,
    sharding: &'a Sharding,
    need: Option<&'a Need>,
    /// The box of the value that is made.
    target: Region,
}

impl Laying<'_> {
    /// The boxes that the payload of a shard is.
    fn pieces(&self, shard: usize) -> Cow<'_, [Region]> {
        match self.need {
            Some(need) => Cow::Borrowed(&need.pieces[shard]),
            None => {
                let data = self.sharding.data_of(shard).unwrap_or(shard);
                Cow::Owned(vec![self.sharding.region(self.value, data)])
            }
        }
    }

    /// Is the payload of a shard what is made?
    fn is_all(&self, shard: usize) -> bool {
        *self.pieces(shard) == [self.target.clone()]
    }

    /// Copies what a payload has of the target to its place in `out`.
    fn lay(&self, shard: usize, payload: &[u8], out: &mut [u8]) {
        let (size, mut at) = (self.value.dtype.size(), 0);
        for piece in self.pieces(shard).iter() {
            let end = at + region::shape(piece).iter().product::<usize>() * size;
            if let Some(part) = region::intersection(piece, &self.target) {
                region::copy(&payload[at..end], piece, &part, &self.target, size, out);
            }
            at = end;
        }
    }

    /// What a payload has of the target, in so many bytes.
    fn cut(&self, shard: usize, payload: &Bytes, bytes: usize) -> Bytes {
        if self.is_all(shard) {
            return payload.clone();
        }
        let mut out = vec![0; bytes];
        self.lay(shard, payload, &mut out);
        out.into()
    }
}

/// The element-wise sum of f32 payloads.
fn add_up(terms: &[Bytes], out: &mut [f32]) {
    let mut sums = vec![0f64; out.len()];
    for term in terms {
        for (sum, value) in sums.iter_mut().zip(read_f32(term)) {
            *sum += f64::from(value);
        }
    }
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum as f32);
}

/// Recovers data shards of one value.
struct Decoding {
    decoder: Decoder,
    /// Elements of each shard; empty where decoding does not need it.
    received: Vec<Vec<f32>>,
    /// Elements of each shard in one block.
    lengths: Vec<usize>,
    /// Blocks that are coded one by one: each row of a batch is, since shorter
    /// shards are padded in each.
    blocks: usize,
}

impl Decoding {
    fn new(
        value: &Value,
        sharding: &Sharding,
        used: ShardSet,
        shards: &[Option<Bytes>],
    ) -> Result<Decoding, CodeError> {
        let decoder = sharding.decoder(used)?;
        let sources = decoder.sources();
        let read = |(index, shard): (usize, &Option<Bytes>)| match shard {
            Some(shard) if sources.contains(index) => read_f32(shard),
            _ => Vec::new(),
        };
        let received = shards.iter().enumerate().map(read).collect();
        let blocks = value.blocks();
        let elements =
            |shard| sharding.shard_shape(value, shard).iter().product::<usize>() / blocks;
        let lengths = (0..shards.len()).map(elements).collect();
        Ok(Decoding { decoder, received, lengths, blocks })
    }

    /// The payload of data shard `missing`.
    fn recover(&self, missing: usize) -> Result<Vec<f32>, CodeError> {
        let length = self.lengths[missing];
        let mut out = vec![0f32; length * self.blocks];
        for (block, part) in out.chunks_exact_mut(length.max(1)).enumerate() {
            let shard = |index: usize| {
                let length = self.lengths[index];
                &self.received[index][block * length..(block + 1) * length]
            };
            self.decoder.recover_f32(missing, shard, part)?;
        }
        Ok(out)
    }
}

/// Memory for elements of any type, aligned for f32.
struct Words(Vec<u32>);

impl AsRef<[u8]> for Words {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}
