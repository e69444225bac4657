//! The steps of an experiment that are done, on disk.
//!
//! ```text
//! report/NAME/steps/made-by.json    which spec, seed and quickness
//!                   KEY.json        a step each
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::spec::Spec;
use crate::whole_file;

/// The file that says what made the steps beside it.
const MADE_BY: &str = "made-by";

/// What made the steps of a folder.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct MadeBy {
    experiment: String,
    seed: u64,
    quick: bool,
    /// Hash of the rest of the spec.
    spec: String,
}

/// The steps of an experiment that are done.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Keys asked for in this run.
    keys: BTreeSet<String>,
}

impl Store {
    /// The steps of `experiment` in `folder`; those that are there already are
    /// kept if it is to `resume`, else removed.
    pub fn open(
        folder: &Path,
        experiment: &str,
        spec: &Spec,
        resume: bool,
    ) -> anyhow::Result<Store> {
        let store = Store { folder: folder.to_owned(), keys: BTreeSet::new() };
        let made_by = MadeBy {
            experiment: experiment.to_owned(),
            seed: spec.seed,
            quick: spec.quick,
            spec: spec.identity(),
        };
        match store.read::<MadeBy>(MADE_BY)? {
            None => ensure!(
                is_empty(folder)?,
                "{} holds files but no {MADE_BY}.json: it is no folder of steps; remove it, or name \
                 another place by -o",
                folder.display()
            ),
            Some(before) if resume => return before.agrees(&made_by, folder).map(|()| store),
            Some(_) => fs::remove_dir_all(folder)
                .with_context(|| format!("removing the steps of before in {}", folder.display()))?,
        }
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        store.write(MADE_BY, &made_by)?;
        Ok(store)
    }

    /// Takes `key` for one step of this run.
    pub(super) fn claim(&mut self, key: &str) -> anyhow::Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
        let named = !key.is_empty() && !key.starts_with('.') && key.chars().all(plain);
        ensure!(
            named && key != MADE_BY,
            "step \"{key}\": a name of letters, digits, - _ . + is needed"
        );
        ensure!(self.keys.insert(key.to_owned()), "step \"{key}\" was there before in this run");
        Ok(())
    }

    /// What the step `key` made, if it is done.
    pub(super) fn read<T: DeserializeOwned>(&self, key: &str) -> anyhow::Result<Option<T>> {
        let path = self.path(key);
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| {
                format!("reading {}: what was kept of this step is of another form", path.display())
            }),
        }
    }

    /// Keeps what the step `key` made, all of it or nothing, and returns it as
    /// it will be read.
    pub(super) fn write<T: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        made: &T,
    ) -> anyhow::Result<T> {
        let path = self.path(key);
        let keep = || -> anyhow::Result<T> {
            let text = serde_json::to_string_pretty(made)? + "\n";
            let back = serde_json::from_str(&text)
                .context("it does not come back from JSON, which knows finite numbers alone")?;
            whole_file::write(&path, text.as_bytes())?;
            Ok(back)
        };
        keep().with_context(|| format!("keeping step \"{key}\" in {}", path.display()))
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }
}

impl MadeBy {
    /// Can steps made by this be gone on with?
    fn agrees(&self, now: &MadeBy, folder: &Path) -> anyhow::Result<()> {
        let quick = |quick| if quick { "--quick" } else { "a full run" };
        let why = if self.experiment != now.experiment {
            format!("made by {}, this is {}", self.experiment, now.experiment)
        } else if self.seed != now.seed {
            format!("made with seed {}, this run has {}", self.seed, now.seed)
        } else if self.quick != now.quick {
            format!("made by {}, this is {}", quick(self.quick), quick(now.quick))
        } else if self.spec != now.spec {
            "made with another spec".to_owned()
        } else {
            return Ok(());
        };
        bail!("the steps in {} were {why}: run without --resume to begin again", folder.display())
    }
}

/// Is there no file in `folder`, or no folder?
fn is_empty(folder: &Path) -> anyhow::Result<bool> {
    match folder.read_dir() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("reading {}", folder.display())),
        Ok(mut entries) => Ok(entries.next().is_none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(seed: u64, quick: bool, count: u64) -> Spec {
        Spec::parse(&format!("seed = {seed}\ncount = {count}\n"), None, quick).unwrap()
    }

    #[test]
    fn steps_are_gone_on_with_by_the_same_run_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("steps");
        let first = Store::open(&folder, "e", &spec(1, false, 5), false).unwrap();
        first.write("a", &vec![1, 2]).unwrap();
        let again = Store::open(&folder, "e", &spec(1, false, 5), true).unwrap();
        assert_eq!(again.read::<Vec<u8>>("a").unwrap(), Some(vec![1, 2]));
        let cases = [
            ("e", spec(2, false, 5), "made with seed 1, this run has 2"),
            ("e", spec(1, true, 5), "made by a full run, this is --quick"),
            ("e", spec(1, false, 6), "made with another spec"),
            ("f", spec(1, false, 5), "made by e, this is f"),
        ];
        for (name, spec, words) in cases {
            let error = Store::open(&folder, name, &spec, true).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let anew = Store::open(&folder, "e", &spec(2, false, 5), false).unwrap();
        assert_eq!(anew.read::<Vec<u8>>("a").unwrap(), None);
    }

    #[test]
    fn what_is_no_folder_of_steps_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("holiday.txt"), "mine").unwrap();
        let error = Store::open(root.path(), "e", &spec(1, false, 5), false).unwrap_err();
        assert!(error.to_string().contains("no folder of steps"), "{error}");
        assert!(root.path().join("holiday.txt").exists());
    }

    #[test]
    fn keys_are_names_of_files_and_come_once() {
        let root = tempfile::tempdir().unwrap();
        let mut store = Store::open(root.path(), "e", &spec(1, false, 5), false).unwrap();
        for bad in ["", "a/b", "..", "made-by", "ä"] {
            assert!(store.claim(bad).is_err(), "{bad}");
        }
        store.claim("4+1.run-2").unwrap();
        assert!(store.claim("4+1.run-2").unwrap_err().to_string().contains("was there before"));
    }
}
