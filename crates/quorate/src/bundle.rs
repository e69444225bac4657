//! A bundle on disk: written by `pack`, read by workers and gateways.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use quorate_core::packing::{PACKED_FILE, PLAN_FILE, Shelf, read_packed};
use quorate_core::plan::{Plans, file::BYTES_MAX};
use quorate_engine::{Engine, Task, Tract};
use quorate_model::model::{Model, ReadOptions};
use quorate_model::stage::{Cut, Staged};
use sha2::{Digest, Sha256};

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

    /// The file itself, ready to run.
    pub fn task(&self) -> anyhow::Result<Box<dyn Task>> {
        Ok(match &self.path {
            Some(path) => Tract.load(path)?,
            None => Tract.load_bytes(&self.name, &self.bytes)?,
        })
    }

    /// A model from its bytes; external data is looked up in `folder`.
    pub fn new(name: String, bytes: Bytes, folder: &Path) -> anyhow::Result<ModelFile> {
        let digest = Sha256::digest(&bytes);
        let sha256 = digest.iter().map(|b| format!("{b:02x}")).collect();
        let mut external = |location: &str, offset: u64, length: u64| {
            read_external(folder, location, offset, length)
        };
        let model = Model::read_external(bytes.clone(), &ReadOptions::default(), &mut external)?;
        Ok(ModelFile { name, sha256, bytes, staged: Staged::new(model)?, path: None })
    }

    /// The same model, cut so.
    pub fn cut(self, cut: &Cut) -> anyhow::Result<ModelFile> {
        let staged = Staged::cut(self.staged.model, cut)?;
        Ok(ModelFile { staged, ..self })
    }

    /// The same model, cut where `plans` cut it.
    pub fn cut_for(self, plans: &Plans) -> anyhow::Result<ModelFile> {
        let (plan, model) = (&plans.model_sha256, &self.sha256);
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

/// Reads a plan file.
pub fn read_plan(path: &Path) -> anyhow::Result<Plans> {
    let what = || format!("{}", path.display());
    let length = std::fs::metadata(path).with_context(what)?.len();
    ensure!(length <= BYTES_MAX as u64, "{}: {length} bytes, limit {BYTES_MAX}", what());
    let text = std::fs::read_to_string(path).with_context(what)?;
    Plans::parse(&text).with_context(what)
}

/// A folder of a bundle: the plan in it, still as packed.
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Its plan.
    pub plans: Arc<Plans>,
    /// For whom it was packed.
    pub name: String,
}

impl Folder {
    /// Opens a folder and refuses it where its plan was edited in anything
    /// but addresses, `wait` and `tolerance` since it was packed.
    pub fn open(path: &Path) -> anyhow::Result<Folder> {
        ensure!(path.is_dir(), "{} is no folder: make one with `quorate pack`", path.display());
        let plans = read_plan(&path.join(PLAN_FILE))?;
        let packed_path = path.join(PACKED_FILE);
        let text = std::fs::read_to_string(&packed_path)
            .with_context(|| format!("{}", packed_path.display()))?;
        let (name, packed): (String, BTreeMap<String, String>) =
            read_packed(&text).with_context(|| format!("{}", packed_path.display()))?;
        let changed = plans.changed_since(&packed);
        if !changed.is_empty() {
            let some: Vec<&str> = changed.iter().take(5).map(String::as_str).collect();
            let more = changed.len() - some.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            bail!(
                "{} no longer matches what was packed: {}{more} changed; pack again",
                path.join(PLAN_FILE).display(),
                some.join("; ")
            );
        }
        Ok(Folder { path: path.to_owned(), plans: Arc::new(plans), name })
    }
}

/// Folders of a bundle being packed.
pub struct DiskShelf {
    root: PathBuf,
}

impl DiskShelf {
    /// Packs below `root`.
    pub fn new(root: &Path) -> DiskShelf {
        DiskShelf { root: root.to_owned() }
    }
}

impl Shelf for DiskShelf {
    fn create(&mut self, folder: &str, name: &str) -> std::io::Result<Box<dyn Write + '_>> {
        let folder = self.root.join(folder);
        std::fs::create_dir_all(&folder)?;
        Ok(Box::new(BufWriter::with_capacity(1 << 20, File::create(folder.join(name))?)))
    }
}
