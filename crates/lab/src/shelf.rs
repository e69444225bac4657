//! Folders of a bundle on disk.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use quorate_core::packing::Shelf;

/// Packs below a folder and remembers what was packed.
pub struct Folder {
    path: PathBuf,
    /// Folder and name of every file.
    pub files: BTreeSet<(String, String)>,
}

impl Folder {
    /// Packs below `path`.
    pub fn new(path: &Path) -> Folder {
        Folder { path: path.to_owned(), files: BTreeSet::new() }
    }
}

impl Shelf for Folder {
    fn create(&mut self, folder: &str, name: &str) -> io::Result<Box<dyn Write + '_>> {
        self.files.insert((folder.to_owned(), name.to_owned()));
        let folder = self.path.join(folder);
        fs::create_dir_all(&folder)?;
        Ok(Box::new(BufWriter::new(File::create(folder.join(name))?)))
    }
}
