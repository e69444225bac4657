//! Merges shards into the value, or into the part of it that is wanted.
//!
//! ```text
//! widen (f16 -> f32) -> take copies -> decode what is missing -> lay together
//! ```
//!
//! Rows and tiles are laid beside each other, terms are added up. Decoding and
//! sums accumulate in f64.

use bytes::Bytes;
use quorate_code::{CodeError, Decoder, ShardSet};
use quorate_model::division::Merge;
use quorate_model::region::Region;
use quorate_model::tensor::{DType, Tensor, TensorError, read_f32};

use crate::half::widen;
use crate::plan::Sharding;
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

/// Data shards that have to be decoded for the part `need`, or for all of
/// `value`.
pub(super) fn missing<'a>(
    value: &'a Value,
    sharding: &'a Sharding,
    need: Option<&'a Region>,
    used: ShardSet,
) -> impl Iterator<Item = usize> + 'a {
    let needed =
        move |data: &usize| need.is_none_or(|need| sharding.sent(value, *data, need).is_some());
    let n = sharding.code.data_shards();
    (0..n).filter(needed).filter(move |data| copy_of(sharding, used, *data).is_none())
}

/// Makes `value`, or the part `need` of it, of the shards `used`. `shards` are
/// all payloads, by shard.
pub(super) fn merge(
    value: &Value,
    sharding: &Sharding,
    need: Option<&Region>,
    used: ShardSet,
    shards: &[Option<Bytes>],
) -> Result<Tensor, MergeError> {
    let name = || value.name.clone();
    let wrong = |source| MergeError::Tensor { value: name(), source };
    let target = need.cloned().unwrap_or_else(|| whole(&value.shape));
    let shape = region::shape(&target);
    let narrow = sharding.wire == DType::F16 && value.dtype == DType::F32;
    let widened = |shard: &Bytes| if narrow { Bytes::from(widen(shard)) } else { shard.clone() };
    let shards: Vec<Option<Bytes>> =
        shards.iter().map(|shard| shard.as_ref().map(widened)).collect();
    let data = |data: usize| shards[copy_of(sharding, used, data)?].as_ref();
    let count = sharding.division.shards();
    if let (1, Some(whole)) = (count, data(0)) {
        return Tensor::new(value.dtype, shape, whole.clone()).map_err(wrong);
    }
    let lost: Vec<usize> = missing(value, sharding, need, used).collect();
    if !lost.is_empty() && value.dtype != DType::F32 {
        return Err(MergeError::Type { value: name(), dtype: value.dtype });
    }
    // Words of four bytes, so that f32 values can be written in place.
    let bytes = shape.iter().product::<usize>() * value.dtype.size();
    let mut out = vec![0u32; bytes.div_ceil(4)];
    if sharding.division.merge() == Merge::Add {
        let terms: Option<Vec<&Bytes>> = (0..count).map(data).collect();
        let terms = terms.ok_or_else(|| MergeError::Absent {
            value: name(),
            shard: lost.first().copied().unwrap_or(0),
        })?;
        add_up(&terms, bytemuck::cast_slice_mut(&mut out));
    } else {
        let flat: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut out)[..bytes];
        let mut lay = |shard: usize, payload: &[u8]| {
            let region = sharding.region(value, shard);
            if let Some(part) = region::intersection(&region, &target) {
                region::copy(payload, &part, &part, &target, value.dtype.size(), flat);
            }
        };
        for shard in 0..count {
            if let Some(payload) = data(shard) {
                lay(shard, payload);
            }
        }
        if !lost.is_empty() {
            let wrong = |source| MergeError::Code { value: name(), source };
            let decoding = Decoding::new(value, sharding, used, &shards).map_err(wrong)?;
            for shard in lost {
                let payload = decoding.recover(shard).map_err(wrong)?;
                lay(shard, bytemuck::cast_slice(&payload));
            }
        }
    }
    let data = Bytes::from_owner(Words(out)).slice(..bytes);
    Tensor::new(value.dtype, shape, data).map_err(wrong)
}

/// The element-wise sum of f32 payloads.
fn add_up(terms: &[&Bytes], out: &mut [f32]) {
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
