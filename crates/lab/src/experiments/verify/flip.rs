//! One bit flipped in one device, in its weights or in what it sends.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use prost::Message;
use quorate::random::SplitMix;
use quorate::rehearsal::{Played, answer_difference};
use quorate_code::ShardSet;
use quorate_core::audit::Finding;
use quorate_core::id::StageId;
use quorate_model::onnx::{ModelProto, TensorProto};
use quorate_model::tensor::{DType, Tensor, byte_len};
use serde::{Deserialize, Serialize};

use super::bench::Bench;
use crate::engine::engine;
use crate::experiment::Context;

/// Requests that flips are tried on.
const REQUESTS: usize = 16;

/// Where a bit is flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Place {
    /// In a weight, after its file was checked.
    Weights,
    /// In a number that a task has made.
    Shards,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Weights => "weights",
            Place::Shards => "computed numbers",
        })
    }
}

/// What came of one flip.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Flip {
    pub(super) place: Place,
    /// By how much the answer changes that is made with the wrong shard, of its
    /// largest number; `None` where it is no number any more.
    pub(super) effect: Option<f64>,
    /// Was it found?
    pub(super) found: bool,
    /// Was its device found, and no other?
    pub(super) located: bool,
}

impl Flip {
    /// Does the answer differ by more than so much?
    pub(super) fn is_beyond(&self, tolerance: f64) -> bool {
        self.effect.is_none_or(|effect| effect > tolerance)
    }
}

/// Flips `count` bits, one at a time.
pub(super) fn flip(
    bench: &Bench,
    place: Place,
    count: usize,
    context: &Context,
) -> anyhow::Result<Vec<Flip>> {
    let mut random = SplitMix::new(context.seed() ^ place as u64);
    let requests: Vec<Played> =
        (0..REQUESTS).map(|request| bench.play(request)).collect::<Result<_, _>>()?;
    let answers = requests.iter().map(|played| whole(bench, played));
    let answers: Vec<Vec<Tensor>> = answers.collect::<Result<_, _>>()?;
    let mut flips = Vec::new();
    for number in 0..count {
        context.go_on()?;
        let request = number % REQUESTS;
        let stage = StageId(random.below(bench.plan().stages().len()) as u16);
        let played = &requests[request];
        let shard = random.below(played.shards(stage).len());
        let made = match place {
            Place::Weights => with_weight(bench, played, (stage, shard), &mut random)?,
            Place::Shards => Made::Shard(with_bit(played, (stage, shard), &mut random)?),
        };
        let mut shards = played.shards(stage).to_vec();
        match made {
            Made::Nothing => continue,
            Made::Failure => {
                flips.push(Flip { place, effect: None, found: true, located: true });
                continue;
            }
            Made::Shard(wrong) => shards[shard] = Some(wrong),
        }
        flips.push(look(bench, played, (stage, shard), shards, &answers[request], place)?);
    }
    ensure!(!flips.is_empty(), "no bit of {place} could be flipped");
    Ok(flips)
}

/// What is answered with all shards right.
fn whole(bench: &Bench, played: &Played) -> anyhow::Result<Vec<Tensor>> {
    let last = StageId(bench.plan().stages().len() as u16 - 1);
    bench.rehearsal.answer_from(played, last, played.shards(last), ShardSet::new())
}

/// What the others show, and what is answered where nobody looks.
fn look(
    bench: &Bench,
    played: &Played,
    (stage, shard): (StageId, usize),
    shards: Vec<Option<Bytes>>,
    right: &[Tensor],
    place: Place,
) -> anyhow::Result<Flip> {
    let sharding = bench.plan().stage_sharding(stage);
    // A parity shard is used where one of data is not there.
    let lost: ShardSet = match shard < sharding.code.data_shards() {
        true => ShardSet::new(),
        false => [(shard - sharding.code.data_shards()) % sharding.code.data_shards()]
            .into_iter()
            .collect(),
    };
    // What comes of it may be too large to be sent: then there is no answer.
    let answer = bench.rehearsal.answer_from(played, stage, &shards, lost).ok();
    let effect = answer.map(|answer| answer_difference(&answer, right)).transpose()?;
    let audit = bench.rehearsal.audit(played, stage, shards);
    let finding = audit.find(bench.usual(&audit));
    let seat = sharding.seats[shard];
    let located = match finding {
        Finding::Corrupt(suspects) => {
            !suspects.is_empty() && suspects.iter().all(|suspect| sharding.seats[suspect] == seat)
        }
        _ => false,
    };
    let found = matches!(finding, Finding::Corrupt(_));
    Ok(Flip { place, effect: effect.filter(|e| e.is_finite()), found, located })
}

/// A shard with one bit flipped.
fn with_bit(
    played: &Played,
    (stage, shard): (StageId, usize),
    random: &mut SplitMix,
) -> anyhow::Result<Bytes> {
    let right = played.shards(stage)[shard].as_ref().context("a shard of everybody")?;
    let mut bytes = right.to_vec();
    ensure!(!bytes.is_empty(), "a shard without numbers");
    let bit = random.below(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    Ok(bytes.into())
}

/// What a task makes with one bit of one weight flipped.
enum Made {
    /// It has no weights of f32 in a file.
    Nothing,
    /// A number that is too large to be sent: its device says so, as of any task
    /// that fails.
    Failure,
    Shard(Bytes),
}

/// A shard that is made with one bit of one weight flipped.
fn with_weight(
    bench: &Bench,
    played: &Played,
    (stage, shard): (StageId, usize),
    random: &mut SplitMix,
) -> anyhow::Result<Made> {
    let folder = bench.folder(stage, shard);
    let path = folder.join(format!("{}.onnx", bench.plan().task_stem(stage, shard)));
    let weights = weights(&path)?;
    let total: u64 = weights.iter().map(|weights| weights.length).sum();
    if total == 0 {
        return Ok(Made::Nothing);
    }
    let mut at = random.below(total as usize) as u64;
    let of = weights.iter().find(|weights| {
        let here = at < weights.length;
        at -= if here { 0 } else { weights.length };
        here
    });
    let of = of.context("a place within all")?;
    let file = folder.join(&of.location);
    let flipped = Flipped::new(&file, of.offset + at, random.below(8) as u32)?;
    let mut task = engine().load(&path).with_context(|| format!("loading {}", path.display()))?;
    let inputs = bench.rehearsal.read_of(played, stage, shard)?;
    let inputs = inputs.iter().map(|input| input.assemble()).collect::<Result<Vec<_>, _>>()?;
    let outputs = task.run(&inputs)?;
    drop((task, flipped));
    let payload = bench.plan().stage_sharding(stage).payload(&outputs[0]);
    Ok(payload.map_or(Made::Failure, |payload| Made::Shard(payload.data().clone())))
}

/// Where in which file a tensor of f32 lies.
struct Weights {
    location: String,
    offset: u64,
    length: u64,
}

/// The tensors of f32 that a task file has outside of itself.
fn weights(path: &Path) -> anyhow::Result<Vec<Weights>> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let model = ModelProto::decode(&*bytes).with_context(|| format!("{}", path.display()))?;
    let tensors = model.graph.map(|graph| graph.initializer).unwrap_or_default();
    Ok(tensors.iter().filter_map(outside).collect())
}

fn outside(tensor: &TensorProto) -> Option<Weights> {
    let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key() == key);
    let location = entry("location")?.value().to_owned();
    let shape: Vec<usize> = tensor.dims.iter().map(|dim| *dim as usize).collect();
    let length = byte_len(DType::F32, &shape)? as u64;
    let offset = entry("offset").map_or(Some(0), |entry| entry.value().parse().ok())?;
    let is_f32 = DType::from_onnx(tensor.data_type()) == Some(DType::F32);
    is_f32.then_some(Weights { location, offset, length })
}

/// A bit of a file that is flipped for as long as this lives.
struct Flipped {
    file: File,
    at: u64,
    right: u8,
}

impl Flipped {
    fn new(path: &Path, at: u64, bit: u32) -> anyhow::Result<Flipped> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.with_context(|| format!("opening {}", path.display()))?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).context("reading a weight")?;
        file.write_all_at(&[byte[0] ^ 1 << bit], at).context("writing a weight")?;
        Ok(Flipped { file, at, right: byte[0] })
    }
}

impl Drop for Flipped {
    fn drop(&mut self) {
        // The folder is a temporary one: what cannot be written back is seen by
        // the next healthy answer.
        let _ = self.file.write_all_at(&[self.right], self.at);
    }
}
