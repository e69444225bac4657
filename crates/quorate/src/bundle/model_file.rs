//! A model file, read and cut into stages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use quorate_core::hash::sha256_hex;
use quorate_core::plan::Plans;
use quorate_engine::{Engine, Named, Reference, Task};
use quorate_model::model::{Model, ReadOptions, to_onnx};
use quorate_model::stage::{Cut, Staged};
use quorate_model::tensor::Tensor;

use super::external::External;
use super::kind;

/// Longest model file that is read.
const MODEL_BYTES_MAX: u64 = 16 << 30;

/// Shapes that a model file leaves open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shapes {
    /// Whole shapes, by input.
    pub inputs: BTreeMap<String, Vec<usize>>,
    /// Lengths, by the names that the file gives dimensions.
    pub dims: BTreeMap<String, usize>,
    /// Inputs that are one and the same number in every request.
    pub fixed: BTreeMap<String, f64>,
}

impl Shapes {
    /// Shapes of the inputs that a plan was made for. What was fixed is no input
    /// there, and has to be given again.
    fn of(plans: &Plans, fixed: &BTreeMap<String, f64>) -> Shapes {
        let inputs = plans.main().inputs().map(|value| {
            let value = &plans.values()[value.index()];
            (value.name.clone(), value.shape.clone())
        });
        Shapes { inputs: inputs.collect(), dims: BTreeMap::new(), fixed: fixed.clone() }
    }
}

/// A model file, read and cut into stages.
pub struct ModelFile {
    /// Its name without folders.
    pub name: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// The bytes.
    pub bytes: Bytes,
    /// The model in stages.
    pub staged: Staged,
    /// Where it was read from, if from a file.
    path: Option<PathBuf>,
    /// Inputs that are one and the same number in every request.
    fixed: BTreeMap<String, f64>,
}

impl ModelFile {
    /// Reads the model at `path`.
    pub fn open(path: &Path) -> anyhow::Result<ModelFile> {
        ModelFile::open_with(path, &Shapes::default())
    }

    /// Reads the model at `path`, whose open dimensions are `shapes`.
    pub fn open_with(path: &Path, shapes: &Shapes) -> anyhow::Result<ModelFile> {
        let (bytes, sha256) = read(path)?;
        ModelFile::at(path, bytes, sha256, shapes)
    }

    /// Reads the model at `path` that `plans` were made for, cut where they cut
    /// it. Inputs that were fixed have to be given again as `fixed`.
    pub fn open_for(
        path: &Path,
        plans: &Plans,
        fixed: &BTreeMap<String, f64>,
    ) -> anyhow::Result<ModelFile> {
        let (bytes, sha256) = read(path)?;
        // Shapes of a plan mean nothing to a model that it was not made for.
        made_for(plans, &sha256).with_context(|| format!("model {}", path.display()))?;
        ModelFile::at(path, bytes, sha256, &Shapes::of(plans, fixed))?.cut_for(plans)
    }

    fn at(path: &Path, bytes: Bytes, sha256: String, shapes: &Shapes) -> anyhow::Result<ModelFile> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        let model = ModelFile::new_with(name, bytes, sha256, &folder, shapes);
        let mut model = model.with_context(|| format!("model {}", path.display()))?;
        model.path = Some(path.to_owned());
        Ok(model)
    }

    /// The whole model as it was read, ready to run by `engine`. After its own
    /// outputs it makes the values `extra`, where they are others.
    pub fn task(&self, engine: &dyn Engine, extra: &[String]) -> anyhow::Result<Box<dyn Task>> {
        let whole = to_onnx(&self.staged.model, extra)?;
        Ok(engine.load_bytes(&self.name, &whole)?)
    }

    /// The file's own answers to `inputs`, in the order of the model's outputs.
    pub fn answer(
        &self,
        reference: &dyn Reference,
        inputs: &[Tensor],
    ) -> anyhow::Result<Vec<Tensor>> {
        let names = self.staged.model.graph.inputs.iter().cloned();
        let mut named: Vec<Named> = names.zip(inputs.iter().cloned()).collect();
        for (name, of) in &self.staged.model.graph.unread {
            let bytes = of.shape.iter().product::<usize>() * of.dtype.size();
            named.push((
                name.clone(),
                Tensor::new(of.dtype, of.shape.clone(), vec![0; bytes].into())?,
            ));
        }
        for (name, number) in &self.fixed {
            let of = self.staged.model.graph.fixed.get(name).context("a fixed input")?;
            let all = vec![*number; of.shape.iter().product()];
            named.push((name.clone(), Tensor::from_numbers(of.dtype, of.shape.clone(), &all)?));
        }
        let made = match &self.path {
            Some(path) => reference.answer(path, &named)?,
            None => {
                let file = tempfile::NamedTempFile::new().context("a temporary file")?;
                std::fs::write(file.path(), &self.bytes).context("a temporary file")?;
                reference.answer(file.path(), &named)?
            }
        };
        let outputs = self.staged.model.graph.outputs.iter().map(|name| {
            let found = made.iter().find(|(made, _)| made == name);
            Ok(found.with_context(|| format!("the file makes no {name}"))?.1.clone())
        });
        outputs.collect()
    }

    /// A model from its bytes; external data is looked up in `folder`.
    pub fn new(name: String, bytes: Bytes, folder: &Path) -> anyhow::Result<ModelFile> {
        let sha256 = sha256_hex(&bytes);
        ModelFile::new_with(name, bytes, sha256, folder, &Shapes::default())
    }

    fn new_with(
        name: String,
        bytes: Bytes,
        sha256: String,
        folder: &Path,
        shapes: &Shapes,
    ) -> anyhow::Result<ModelFile> {
        let external = External::new(folder, &name);
        let mut external =
            |location: &str, offset: u64, length: u64| external.read(location, offset, length);
        let options = ReadOptions {
            input_shapes: shapes.inputs.clone(),
            dims: shapes.dims.clone(),
            fixed: shapes.fixed.clone(),
            ..ReadOptions::default()
        };
        let model = Model::read_external(bytes.clone(), &options, &mut external);
        let model = model.map_err(|error| match kind::of(&bytes) {
            Some(kind) => anyhow!("it is {kind}, no ONNX model"),
            None => error.into(),
        })?;
        let staged = Staged::new(model)?;
        Ok(ModelFile { name, sha256, bytes, staged, path: None, fixed: shapes.fixed.clone() })
    }

    /// The same model, cut into stages as `cut` says.
    pub fn cut(self, cut: &Cut) -> anyhow::Result<ModelFile> {
        let staged = Staged::cut(self.staged.model, cut)?;
        Ok(ModelFile { staged, ..self })
    }

    /// The same model, cut where `plans` cut it.
    pub fn cut_for(self, plans: &Plans) -> anyhow::Result<ModelFile> {
        made_for(plans, &self.sha256)?;
        let staged = Staged::at(self.staged.model, &plans.wires())?;
        Ok(ModelFile { staged, ..self })
    }
}

/// Bytes of a model file, and their SHA-256 in hex.
fn read(path: &Path) -> anyhow::Result<(Bytes, String)> {
    let read = || -> anyhow::Result<Bytes> {
        let found = std::fs::metadata(path)?;
        ensure!(found.is_file(), "it is no file");
        let length = found.len();
        ensure!(length <= MODEL_BYTES_MAX, "{length} bytes, limit {MODEL_BYTES_MAX}");
        Ok(std::fs::read(path)?.into())
    };
    let bytes = read().with_context(|| format!("model {}", path.display()))?;
    let sha256 = sha256_hex(&bytes);
    Ok((bytes, sha256))
}

fn made_for(plans: &Plans, model: &str) -> anyhow::Result<()> {
    let plan = plans.model_sha256();
    ensure!(plan == model, "plan was made for model {plan}, this one is {model} (SHA-256)");
    Ok(())
}
