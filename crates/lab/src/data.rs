//! Where models and data sets lie.
//!
//! What the project ships is in `assets`. Larger files, and those that it may
//! not ship, are looked for beside it, and in `target/data`, where the scripts
//! that fetch some of them put them.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Folders, relative to the repository, in the order of the search.
const PLACES: [&str; 3] = ["assets", "../shared/data", "target/data"];

/// A file or folder of the repository, whether it is there or not.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The file or folder `name` in the first place that has it.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let places = PLACES.iter().map(|place| repository(place).join(name));
    places.into_iter().find(|path| path.exists())
}

/// As [`find`]; an error that names the places where it is nowhere.
pub(crate) fn existing(name: &str) -> anyhow::Result<PathBuf> {
    find(name).with_context(|| format!("{name} is in none of {}", PLACES.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nowhere_is_named_with_the_places() {
        assert!(existing("lenet5.onnx").unwrap().is_file());
        let error = existing("no-such-file").unwrap_err().to_string();
        assert_eq!(error, "no-such-file is in none of assets, ../shared/data, target/data");
    }
}
