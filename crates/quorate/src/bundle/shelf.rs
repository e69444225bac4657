//! Where packed files go on disk.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use quorate_core::packing::Shelf;

/// Folders of a bundle being packed.
pub(super) struct DiskShelf {
    root: PathBuf,
}

impl DiskShelf {
    /// Packs below `root`.
    pub(super) fn new(root: &Path) -> DiskShelf {
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
