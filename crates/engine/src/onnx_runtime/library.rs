//! Where ONNX Runtime's library is.

use std::path::{Path, PathBuf};

/// Says where the library is, before all other places.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// Folders that libraries are in, besides those below `/usr/lib` that are named
/// after a machine.
const FOLDERS: &[&str] =
    &["/usr/local/lib", "/usr/lib", "/usr/lib64", "/opt/onnxruntime/lib", "/opt/homebrew/lib"];

/// The library that is installed, of several the newest.
pub(super) fn installed() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let machine = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let arm = "/usr/lib/arm-linux-gnueabihf".to_owned();
    let folders = FOLDERS.iter().map(|folder| (*folder).to_owned()).chain([machine, arm]);
    let found = folders.flat_map(|folder| libraries(Path::new(&folder)));
    found.max_by_key(|path| version(path))
}

fn libraries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("libonnxruntime.so") || name == "libonnxruntime.dylib"
    };
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(named).collect()
}

/// The numbers behind the name.
fn version(path: &Path) -> Vec<u32> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.split('.').filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_is_more() {
        let versions = ["libonnxruntime.so", "libonnxruntime.so.1.9.0", "libonnxruntime.so.1.21"];
        let versions = versions.map(|name| version(Path::new(name)));
        assert!(versions.is_sorted(), "{versions:?}");
    }
}
