//! Bundles that were packed before stay readable, and plans that were made
//! before still pack into the same files.
//!
//! `golden/NAME.toml` is a plan as an earlier program wrote it, `NAME.files`
//! what it packed: every file's name, and the hash of all that are no graphs.
//! They are made by `quorate plan`, `quorate pack` and `sha256sum`. A
//! difference here is a change of format.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quorate_core::hash::sha256_hex;
use support::{lenet, quorate, words};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Files below `folder` by name, with their hashes where `hashed` says so.
fn files(folder: &Path, hashed: impl Fn(&str) -> bool) -> BTreeMap<String, Option<String>> {
    let mut files = BTreeMap::new();
    for device in std::fs::read_dir(folder).unwrap() {
        let device = device.unwrap();
        for file in std::fs::read_dir(device.path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            let hash = hashed(&name).then(|| sha256_hex(&std::fs::read(&path).unwrap()));
            files.insert(name, hash);
        }
    }
    files
}

#[test]
fn plans_of_before_pack_into_the_same_files() {
    for name in ["lenet-3-2", "lenet-3-1"] {
        let folder = tempfile::tempdir().unwrap();
        let (plan, bundle) = (golden(&format!("{name}.toml")), folder.path().join("bundle"));
        let paths = [lenet(), plan, bundle.clone()];
        let [model, plan, out] = paths.each_ref().map(|path| path.to_str().unwrap());
        let output = quorate(&["pack", model, plan, "-o", out]);
        assert!(output.status.success(), "{name}: {}", words(&output));
        let text = std::fs::read_to_string(golden(&format!("{name}.files"))).unwrap();
        let line = |line: &str| match line.split_once(' ') {
            Some((name, hash)) => (name.to_owned(), Some(hash.to_owned())),
            None => (line.to_owned(), None),
        };
        let wanted: BTreeMap<_, _> = text.lines().map(line).collect();
        let mut got = files(&bundle, |name| !name.ends_with(".onnx"));
        // The forms of operators are noted since, and what the files are.
        got.retain(|name, _| !name.ends_with("forms.txt") && !name.ends_with("files.toml"));
        assert_eq!(got, wanted, "{name}");
    }
}
