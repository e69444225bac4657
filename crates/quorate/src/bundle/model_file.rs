//! A model file, read and cut into stages.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use bytes::Bytes;
use quorate_core::hash::sha256_hex;
use quorate_core::plan::Plans;
use quorate_engine::{Engine, Task};
use quorate_model::model::{Model, ReadOptions};
use quorate_model::stage::{Cut, Staged};

/// Longest model file that is read.
const MODEL_BYTES_MAX: u64 = 16 << 30;

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
}

impl ModelFile {
    /// Reads the model at `path`.
    pub fn open(path: &Path) -> anyhow::Result<ModelFile> {
        let read = || -> anyhow::Result<Bytes> {
            let length = std::fs::metadata(path)?.len();
            ensure!(length <= MODEL_BYTES_MAX, "{length} bytes, limit {MODEL_BYTES_MAX}");
            Ok(std::fs::read(path)?.into())
        };
        let bytes = read().with_context(|| format!("model {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        let model = ModelFile::new(name, bytes, &folder);
        let mut model = model.with_context(|| format!("model {}", path.display()))?;
        model.path = Some(path.to_owned());
        Ok(model)
    }

    /// The file itself, ready to run by `engine`.
    pub fn task(&self, engine: &dyn Engine) -> anyhow::Result<Box<dyn Task>> {
        Ok(match &self.path {
            Some(path) => engine.load(path)?,
            None => engine.load_bytes(&self.name, &self.bytes)?,
        })
    }

    /// A model from its bytes; external data is looked up in `folder`.
    pub fn new(name: String, bytes: Bytes, folder: &Path) -> anyhow::Result<ModelFile> {
        let sha256 = sha256_hex(&bytes);
        let mut external = |location: &str, offset: u64, length: u64| {
            read_external(folder, location, offset, length)
        };
        let model = Model::read_external(bytes.clone(), &ReadOptions::default(), &mut external)?;
        Ok(ModelFile { name, sha256, bytes, staged: Staged::new(model)?, path: None })
    }

    /// The same model, cut into stages as `cut` says.
    pub fn cut(self, cut: &Cut) -> anyhow::Result<ModelFile> {
        let staged = Staged::cut(self.staged.model, cut)?;
        Ok(ModelFile { staged, ..self })
    }

    /// The same model, cut where `plans` cut it.
    pub fn cut_for(self, plans: &Plans) -> anyhow::Result<ModelFile> {
        let (plan, model) = (plans.model_sha256(), &self.sha256);
        ensure!(plan == model, "plan was made for model {plan}, this one is {model} (SHA-256)");
        let staged = Staged::at(self.staged.model, &plans.wires())?;
        Ok(ModelFile { staged, ..self })
    }
}

/// External data of a user's model, from files beside it only.
fn read_external(
    folder: &Path,
    location: &str,
    offset: u64,
    length: u64,
) -> std::io::Result<Bytes> {
    use std::io::{Error, ErrorKind, Seek, SeekFrom};
    let path = Path::new(location);
    let inside = path.components().all(|c| matches!(c, std::path::Component::Normal(_)));
    if !inside {
        let words = format!("external data {location} is not below the model's folder");
        return Err(Error::new(ErrorKind::InvalidInput, words));
    }
    let mut file = File::open(folder.join(path))?;
    let size = file.metadata()?.len();
    if offset.checked_add(length).is_none_or(|end| end > size) {
        let words = format!("external data {location} has {size} bytes, needs {offset}+{length}");
        return Err(Error::new(ErrorKind::UnexpectedEof, words));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut data = vec![0; usize::try_from(length).map_err(Error::other)?];
    file.read_exact(&mut data)?;
    Ok(data.into())
}
