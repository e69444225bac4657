//! External data of a user's model: files beside it, and no others.

use std::fs::{self, File};
use std::io::{self, Error, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;

/// The files that a model may have beside it.
pub(super) struct External {
    folder: PathBuf,
    /// Where files may really be: below the model's folder, or the one where the
    /// model itself is, whatever links there are. Caches of models are folders of
    /// links to files that lie together elsewhere.
    allowed: Vec<PathBuf>,
}

impl External {
    /// Those of the model `model` in `folder`; one of no name is the one where
    /// this process is.
    pub(super) fn new(folder: &Path, model: &str) -> External {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let own = folder.join(model).canonicalize().ok();
        let own = own.and_then(|own| Some(own.parent()?.to_owned()));
        let allowed = folder.canonicalize().ok().into_iter().chain(own).collect();
        External { folder: folder.to_owned(), allowed }
    }

    /// Bytes of the file at `location`.
    pub(super) fn read(&self, location: &str, offset: u64, length: u64) -> io::Result<Bytes> {
        let path = Path::new(location.trim_start_matches("./"));
        let inside = path.components().all(|c| matches!(c, Component::Normal(_)));
        if !inside {
            let words = format!("external data {location} is not below the model's folder");
            return Err(Error::new(ErrorKind::InvalidInput, words));
        }
        let whole = self.real(&self.folder.join(path))?;
        // Opening a pipe would wait for its other end.
        if !fs::metadata(&whole)?.is_file() {
            let words = format!("external data {location} is no file");
            return Err(Error::new(ErrorKind::InvalidInput, words));
        }
        let mut file = File::open(whole)?;
        let size = file.metadata()?.len();
        if offset.checked_add(length).is_none_or(|end| end > size) {
            let words =
                format!("external data {location} has {size} bytes, needs {offset}+{length}");
            return Err(Error::new(ErrorKind::UnexpectedEof, words));
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut data = vec![0; usize::try_from(length).map_err(Error::other)?];
        file.read_exact(&mut data)?;
        Ok(data.into())
    }

    /// The file that `path` leads to.
    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        let real = path.canonicalize()?;
        if self.allowed.iter().any(|folder| real.starts_with(folder)) {
            return Ok(real);
        }
        let words = format!(
            "external data {} leads to {}, which is not below the model's folder: copy it there",
            path.display(),
            real.display()
        );
        Err(Error::new(ErrorKind::InvalidInput, words))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder with a model, data beside it, and a file that is none of its.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("models")).unwrap();
        fs::write(at("secret"), b"do not read").unwrap();
        fs::write(at("models/m.onnx"), b"model").unwrap();
        fs::write(at("models/data"), b"0123456789").unwrap();
        folder
    }

    #[test]
    fn only_what_is_below_the_folder_is_read() {
        let folder = folder();
        let models = folder.path().join("models");
        let secret = folder.path().join("secret");
        symlink(&secret, models.join("out")).unwrap();
        symlink("data", models.join("in")).unwrap();
        symlink(folder.path(), models.join("up")).unwrap();
        let external = External::new(&models, "m.onnx");
        let read = |location: &str| external.read(location, 2, 3);
        assert_eq!(read("data").unwrap(), &b"234"[..]);
        assert_eq!(read("./in").unwrap(), &b"234"[..]);
        for (location, words) in [
            ("out", "leads to"),
            ("up/secret", "leads to"),
            ("../secret", "is not below the model's folder"),
            (secret.to_str().unwrap(), "is not below the model's folder"),
            (".", "is not below the model's folder"),
            ("gone", "No such file"),
        ] {
            let error = read(location).unwrap_err().to_string();
            assert!(error.contains(words), "{location}: {error}");
        }
        let beyond = external.read("data", 8, 3).unwrap_err().to_string();
        assert_eq!(beyond, "external data data has 10 bytes, needs 8+3");
    }

    /// Caches keep files by their hashes, and folders of links to them.
    #[test]
    fn a_cache_of_links_is_read() {
        let folder = folder();
        let links = folder.path().join("links");
        fs::create_dir(&links).unwrap();
        symlink("../models/m.onnx", links.join("model.onnx")).unwrap();
        symlink("../models/data", links.join("model.onnx_data")).unwrap();
        symlink("../secret", links.join("other")).unwrap();
        let external = External::new(&links, "model.onnx");
        let read = |location: &str| external.read(location, 0, 1);
        assert_eq!(read("model.onnx_data").unwrap(), &b"0"[..]);
        assert!(read("other").unwrap_err().to_string().contains("copy it there"));
    }

    /// Nobody writes to it: opening it would wait for ever.
    #[test]
    fn a_pipe_is_refused() {
        let folder = folder();
        let models = folder.path().join("models");
        let pipe = models.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let error = External::new(&models, "m.onnx").read("pipe", 0, 1).unwrap_err().to_string();
        assert_eq!(error, "external data pipe is no file");
    }
}
