//! A model and the images that it is asked about.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use quorate::bundle::ModelFile;
use quorate::input::{self, Preprocess};
use quorate_model::region::{crop, whole};
use quorate_model::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::answers::top;
use super::spec::SubjectSpec;
use crate::data;
use crate::engine::engine;
use crate::lanes::in_lanes;

/// The folder that `scripts/photographs.py` makes.
const PHOTOGRAPHS: &str = "photographs";
/// Photographs without labels.
const PHOTOS: &str = "photos";
/// How much larger than the model's input a photograph is before a part of it
/// is cut out.
const CROP_SCALE: f64 = 1.5;

/// An image, ready for the model.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) input: Tensor,
    /// Its class, where that is known.
    pub(super) label: Option<usize>,
}

/// A model and the images that it is asked about.
pub(crate) struct Subject {
    pub(crate) file: ModelFile,
    /// Those with a label come first.
    pub(super) images: Vec<Image>,
    /// What is missing of what was asked for.
    pub(crate) note: Option<String>,
}

/// What came of loading a subject.
pub(crate) enum Loaded {
    /// It is here.
    Ready(Box<Subject>),
    /// A file that it needs is nowhere.
    Absent(String),
}

/// The undamaged model's answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Whole {
    /// By image.
    pub(super) answers: Vec<usize>,
    /// Images with a label.
    pub(crate) labelled: usize,
    /// How many of them are right.
    pub(crate) right: usize,
}

impl Whole {
    /// Are these answers to the images of `subject`?
    pub(crate) fn is_of(&self, subject: &Subject) -> bool {
        self.answers.len() == subject.images.len() && self.labelled == subject.labelled()
    }
}

impl Subject {
    /// LeNet-5 and MNIST's test digits, which the project ships.
    pub(crate) fn lenet5(spec: &SubjectSpec) -> anyhow::Result<Loaded> {
        let labels = input::read_labels(&data::existing("mnist-t10k-labels-idx1-ubyte.gz")?)?;
        let labels = labels.into_iter().map(usize::from).collect();
        let pre = Preprocess { scale: Some(1.0 / 255.0), ..Preprocess::default() };
        Subject::of_set("lenet5.onnx", "mnist-t10k-images-idx3-ubyte.gz", &pre, labels, spec)
    }

    /// A net of six convolutions and CIFAR-10's first test images.
    pub(crate) fn cifar10(spec: &SubjectSpec) -> anyhow::Result<Loaded> {
        let pre = Preprocess { scale: Some(1.0), ..Preprocess::default() };
        Subject::of_set("cifar10_cnn.onnx", "cifar10-test1k.bin.gz", &pre, Vec::new(), spec)
    }

    /// A model and a data set of one file, with its labels or `labels`.
    fn of_set(
        model: &str,
        set: &str,
        pre: &Preprocess,
        labels: Vec<usize>,
        spec: &SubjectSpec,
    ) -> anyhow::Result<Loaded> {
        let (model, set) = match (data::find(model), data::find(set)) {
            (Some(model), Some(set)) => (model, set),
            (None, _) => return Ok(Loaded::Absent(model.to_owned())),
            (_, None) => return Ok(Loaded::Absent(set.to_owned())),
        };
        let file = ModelFile::open(&model)?;
        let inputs = input::read(&set, &shape(&file)?, pre, Some(spec.images))?;
        let own = || inputs.labels.iter().flatten().map(|label| usize::from(*label)).collect();
        let labels = if labels.is_empty() { own() } else { labels };
        let count = inputs.tensors.len();
        let enough = count == spec.images && labels.len() >= count;
        ensure!(enough, "{count} images, {} labels, {} asked for", labels.len(), spec.images);
        let images = inputs.tensors.into_iter().zip(labels);
        let images = images.map(|(input, label)| Image { input, label: Some(label) }).collect();
        Ok(Loaded::Ready(Box::new(Subject { file, images, note: None })))
    }

    /// Inception v3, labelled photographs of ImageNet's classes, and parts of
    /// further photographs.
    pub(crate) fn inception(spec: &SubjectSpec) -> anyhow::Result<Loaded> {
        const MODEL: &str = "inception_v3_imagenet_u8w.onnx";
        let Some(model) = data::find(MODEL) else { return Ok(Loaded::Absent(MODEL.to_owned())) };
        let file = ModelFile::open(&model)?;
        let shape = shape(&file)?;
        let pre = Preprocess { scale: Some(1.0 / 127.5), mean: vec![1.0], std: Vec::new() };
        let (mut images, mut missing) = (Vec::new(), Vec::new());
        match data::find(PHOTOGRAPHS) {
            Some(folder) => {
                for path in files(&folder)?.iter().take(spec.images) {
                    // Class 0 of the model is the background.
                    let label = Some(class(path)? + 1);
                    let input = input::read(path, &shape, &pre, None)?.tensors.remove(0);
                    images.push(Image { input, label });
                }
            }
            None => missing.push("labelled photographs (scripts/photographs.py fetches them)"),
        }
        match data::find(PHOTOS) {
            Some(folder) => {
                for path in files(&folder)? {
                    let parts = parts(&path, &shape, &pre, spec.crops)?;
                    images.extend(parts.into_iter().map(|input| Image { input, label: None }));
                }
            }
            None => missing.push("photographs to cut parts out of"),
        }
        let missing = missing.join(" and ");
        if images.is_empty() {
            return Ok(Loaded::Absent(missing));
        }
        let note = (!missing.is_empty()).then_some(missing);
        Ok(Loaded::Ready(Box::new(Subject { file, images, note })))
    }

    /// Asks the model itself, undamaged, about all images.
    pub(crate) fn whole(&self) -> anyhow::Result<Whole> {
        let lanes = in_lanes(self.images.len(), |range| {
            let mut task = self.file.task(&*engine(), &[])?;
            let mut answer = |image: &Image| top(&task.run(std::slice::from_ref(&image.input))?);
            self.images[range].iter().map(&mut answer).collect::<anyhow::Result<Vec<_>>>()
        })?;
        let answers = lanes.concat();
        let labelled = self.labelled();
        let pairs = self.images.iter().zip(&answers);
        let right = pairs.filter(|(image, answer)| image.label == Some(**answer)).count();
        Ok(Whole { answers, labelled, right })
    }

    /// Images with a label.
    fn labelled(&self) -> usize {
        self.images.iter().filter(|image| image.label.is_some()).count()
    }
}

/// Shape of the model's only input.
fn shape(file: &ModelFile) -> anyhow::Result<Vec<usize>> {
    let graph = &file.staged.model.graph;
    let input = graph.inputs.first().with_context(|| format!("{} has no input", file.name))?;
    Ok(graph.types[input].shape.clone())
}

/// The pictures of a folder, by name.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        folder.read_dir()?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut paths = read().with_context(|| format!("reading {}", folder.display()))?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "jpg" || end == "png"));
    paths.sort();
    Ok(paths)
}

/// The class in a name like `imagenet_03_990.jpg`.
fn class(path: &Path) -> anyhow::Result<usize> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let class = stem.rsplit('_').next().and_then(|class| class.parse().ok());
    class.with_context(|| format!("{}: no class at the end of its name", path.display()))
}

/// `count` parts of a photograph as large as the model's input, from its upper
/// left to its lower right corner.
fn parts(
    path: &Path,
    shape: &[usize],
    pre: &Preprocess,
    count: usize,
) -> anyhow::Result<Vec<Tensor>> {
    let [batch, channels, height, width] = *shape else {
        anyhow::bail!("an input of {shape:?} is no picture's");
    };
    let larger = |length: usize| (length as f64 * CROP_SCALE) as usize;
    let large = [batch, channels, larger(height), larger(width)];
    let picture = input::read(path, &large, pre, None)?.tensors.remove(0);
    let part = |index: usize| {
        let offset = |length: usize| (larger(length) - length) * index / (count - 1).max(1);
        let (top, left) = (offset(height), offset(width));
        let region = vec![0..batch, 0..channels, top..top + height, left..left + width];
        Ok(crop(&picture, &whole(&large), &region)?)
    };
    (0..count).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_stand_at_the_end_of_names() {
        for (name, expected) in [
            ("a/imagenet_03_990.jpg", Some(990)),
            ("imagenet_15_99.jpg", Some(99)),
            ("imagenet.jpg", None),
            ("imagenet_x.jpg", None),
        ] {
            assert_eq!(class(Path::new(name)).ok(), expected, "{name}");
        }
    }
}
