//! The models of the table.

use std::path::Path;

use anyhow::{Context, ensure};
use quorate::bundle::ModelFile;
use quorate::input::{self, Preprocess};
use quorate_model::tensor::{Tensor, read_f32};

use super::subject::Subject;
use super::trial_kind::TrialKind;
use crate::data;
use crate::zoo::{self, Size};

/// Decides the weights of the zoo's models.
const ZOO_SEED: u64 = 1;

/// A model of the table.
#[derive(Debug)]
pub struct Model {
    /// What it is called.
    pub name: &'static str,
    /// What it has layers of.
    pub kinds: &'static [TrialKind],
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    /// A file with trained weights.
    File { file: &'static str, input: Input },
    /// The zoo's model of the same name, with seeded weights.
    Zoo,
}

/// Where the input of golden outputs comes from.
#[derive(Clone, Copy, Debug)]
enum Input {
    /// The first of MNIST's test digits, by 255.
    Mnist,
    /// The first of CIFAR-10's test images, as its bytes are.
    Cifar,
    /// Seed 0.
    Seeded,
}

const CONV2: TrialKind = TrialKind::Conv { dims: 2 };
const CONV3: TrialKind = TrialKind::Conv { dims: 3 };

const fn file(
    name: &'static str,
    file: &'static str,
    input: Input,
    kinds: &'static [TrialKind],
) -> Model {
    Model { name, kinds, origin: Origin::File { file, input } }
}

const fn seeded(name: &'static str, kinds: &'static [TrialKind]) -> Model {
    Model { name, kinds, origin: Origin::Zoo }
}

/// All models, in the table's order.
pub static MODELS: &[Model] = &[
    file("lenet5", "lenet5.onnx", Input::Mnist, &[CONV2, TrialKind::Fc]),
    file("cifar10_cnn", "cifar10_cnn.onnx", Input::Cifar, &[CONV2, TrialKind::Fc]),
    file("inception_v3", "inception_v3_imagenet_u8w.onnx", Input::Seeded, &[CONV2]),
    file("mobilenet_v2", "mobilenet_v2_imagenet.onnx", Input::Seeded, &[CONV2, TrialKind::Fc]),
    file("alexnet_features", "alexnet_features_imagenet.onnx", Input::Seeded, &[CONV2]),
    seeded("alexnet", &[CONV2, TrialKind::Fc]),
    seeded("vgg16", &[CONV2, TrialKind::Fc]),
    seeded("c3d", &[CONV3, TrialKind::Fc]),
    seeded("resnet18", &[CONV2, TrialKind::Fc]),
    seeded("resnet50", &[CONV2, TrialKind::Fc]),
    seeded("resnext50", &[CONV2, TrialKind::Grouped, TrialKind::Fc]),
    seeded("two-stream", &[CONV2, TrialKind::Fc]),
    seeded("low-res", &[CONV2, TrialKind::Fc]),
    seeded("mlp", &[TrialKind::Fc]),
    seeded("lstm", &[TrialKind::Fc, TrialKind::Recurrent]),
    seeded("gru", &[TrialKind::Fc, TrialKind::Recurrent]),
    seeded("rnn", &[TrialKind::Fc, TrialKind::Recurrent]),
    seeded("transformer", &[TrialKind::Fc]),
];

/// The model `name`.
pub fn find(name: &str) -> anyhow::Result<&'static Model> {
    MODELS.iter().find(|model| model.name == name).with_context(|| {
        let names: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
        format!("no model {name}; there are {}", names.join(", "))
    })
}

impl Model {
    /// The first file that it needs and that is nowhere.
    pub fn missing(&self) -> Option<&'static str> {
        let Origin::File { file, input } = &self.origin else { return None };
        let needed = [Some(*file), input.file()];
        needed.into_iter().flatten().find(|file| data::find(file).is_none())
    }

    /// Loads it, its input and the right answers; the zoo's models in `size`.
    pub fn load(&self, size: Size) -> anyhow::Result<Subject> {
        let file = self.open(size).with_context(|| format!("model {}", self.name))?;
        let graph = &file.staged.model.graph;
        let [input, output] = [&graph.inputs, &graph.outputs].map(|names| names.as_slice());
        let ([input], [output]) = (input, output) else {
            anyhow::bail!("{} inputs and {} outputs, needs one each", input.len(), output.len());
        };
        let kinds = TrialKind::all_of(&file.staged);
        ensure!(kinds == self.kinds, "{} has layers of {kinds:?}, not {:?}", self.name, self.kinds);
        let answers = self.golden(size, &graph.types[output].shape)?;
        let input = self.input(&graph.types[input].shape)?;
        Ok(Subject { file, input, answers: vec![answers] })
    }

    fn open(&self, size: Size) -> anyhow::Result<ModelFile> {
        match &self.origin {
            Origin::File { file, .. } => ModelFile::open(&data::existing(file)?),
            Origin::Zoo => {
                let bytes = zoo::find(self.name)?.net(size).to_bytes(ZOO_SEED);
                ModelFile::new(format!("{}.onnx", self.name), bytes.into(), Path::new("."))
            }
        }
    }

    fn input(&self, shape: &[usize]) -> anyhow::Result<Tensor> {
        let input = match &self.origin {
            Origin::File { input, .. } => *input,
            Origin::Zoo => Input::Seeded,
        };
        let scale = match input {
            Input::Mnist => 1.0 / 255.0,
            Input::Cifar | Input::Seeded => 1.0,
        };
        let pre = Preprocess { scale: Some(scale), ..Preprocess::default() };
        let mut made = match input.file() {
            Some(file) => input::read(&data::existing(file)?, shape, &pre, Some(1))?.tensors,
            None => input::seeded(shape, 0, 1)?,
        };
        made.pop().context("no input")
    }

    /// What ONNX Runtime answers to the first input.
    fn golden(&self, size: Size, shape: &[usize]) -> anyhow::Result<Tensor> {
        let folder = match self.origin {
            Origin::File { .. } => "crates/engine/tests/golden",
            Origin::Zoo => "crates/lab/tests/golden",
        };
        let full = matches!(self.origin, Origin::Zoo) && size == Size::Full;
        let name = format!("{}{}.f32", self.name, if full { "_full" } else { "" });
        let path = data::repository(folder).join(name);
        let bytes = std::fs::read(&path).with_context(|| format!("{}", path.display()))?;
        let (values, needed) = (read_f32(&bytes), shape.iter().product());
        let first = values.get(..needed).with_context(|| {
            format!("{}: {} values, an answer has {needed}", path.display(), values.len())
        })?;
        Ok(Tensor::from_f32(shape.to_vec(), first)?)
    }
}

impl Input {
    fn file(self) -> Option<&'static str> {
        match self {
            Input::Mnist => Some("mnist-t10k-images-idx3-ubyte.gz"),
            Input::Cifar => Some("cifar10-test1k.bin.gz"),
            Input::Seeded => None,
        }
    }
}
