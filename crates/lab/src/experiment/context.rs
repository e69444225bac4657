//! What an experiment is given.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::progress::Bar;
use super::spec::Spec;
use super::stop::Stop;
use super::store::Store;

/// All that a [`Context`] is made of.
pub struct Setting {
    /// The spec of this run.
    pub spec: Spec,
    /// Where steps are kept.
    pub store: Store,
    /// The `quorate` program.
    pub program: PathBuf,
    /// Says when to stop.
    pub stop: Stop,
    /// Shows how far it is.
    pub bar: Bar,
}

/// What an experiment is given: its spec, its seed, and somebody who keeps
/// what is done.
pub struct Context(Setting);

impl Context {
    /// What an experiment is given in this setting.
    pub fn new(setting: Setting) -> Context {
        Context(setting)
    }

    /// The experiment's spec, without its `seed`; under `--quick` with the
    /// numbers of the quick run.
    pub fn spec<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        self.0.spec.read()
    }

    /// Decides all that is drawn.
    pub fn seed(&self) -> u64 {
        self.0.spec.seed
    }

    /// Is it the quick run?
    pub fn quick(&self) -> bool {
        self.0.spec.quick
    }

    /// Does the step `key` and keeps what it makes at once; under `--resume`
    /// what was kept is read instead.
    ///
    /// What is returned is what will be read back, so that a run that
    /// was resumed and one that was not go the same way. Numbers that are not
    /// finite cannot be kept.
    pub fn step<T: Serialize + DeserializeOwned>(
        &mut self,
        key: &str,
        work: impl FnOnce(&mut Context) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.0.store.claim(key)?;
        if let Some(done) = self.0.store.read(key)? {
            return Ok(done);
        }
        self.go_on()?;
        let made = work(self).with_context(|| format!("step \"{key}\""))?;
        self.0.store.write(key, &made)
    }

    /// An error where somebody asked to stop: for loops within a step.
    pub fn go_on(&self) -> anyhow::Result<()> {
        ensure!(!self.0.stop.asked(), "stopped by Ctrl-C");
        Ok(())
    }

    /// Shows that `done` of `total` is done, and what is at hand.
    pub fn progress(&self, done: usize, total: usize, what: &str) {
        self.0.bar.set(done as u64, total as u64, what);
    }

    /// Tells a person something that is of no use in the report.
    pub fn say(&self, line: &str) {
        self.0.bar.say(line);
    }

    /// The `quorate` program, for experiments with real processes.
    pub fn program(&self) -> anyhow::Result<&Path> {
        let program = &self.0.program;
        ensure!(
            program.is_file(),
            "no program {}: build it by `cargo build --release`, or name it by --program",
            program.display()
        );
        Ok(program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(folder: &Path, stop: Stop, resume: bool) -> Context {
        let spec = Spec::parse("seed = 3\n", None, false).unwrap();
        let store = Store::open(folder, "e", &spec, resume).unwrap();
        let (program, bar) = (folder.join("none"), Bar::hidden());
        Context::new(Setting { spec, store, program, stop, bar })
    }

    #[test]
    fn steps_that_are_done_are_not_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let stop = Stop::never();
        let mut first = context(folder.path(), stop.clone(), false);
        assert_eq!(first.step("a", |_| Ok(0.1 + 0.2)).unwrap(), 0.1 + 0.2);
        stop.ask();
        let error = first.step::<f64>("b", |_| panic!("was asked to stop")).unwrap_err();
        assert!(error.to_string().contains("Ctrl-C"), "{error}");
        let mut second = context(folder.path(), Stop::never(), true);
        assert_eq!(second.step::<f64>("a", |_| panic!("was done")).unwrap(), 0.1 + 0.2);
        assert_eq!(second.step("b", |context| Ok(context.seed())).unwrap(), 3);
    }

    #[test]
    fn failures_keep_nothing_and_name_the_step() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = context(folder.path(), Stop::never(), false);
        let error = first.step::<u8>("a", |_| anyhow::bail!("no luck")).unwrap_err();
        assert_eq!(format!("{error:#}"), "step \"a\": no luck");
        let error = first.step("b", |_| Ok(f64::NAN)).unwrap_err();
        assert!(format!("{error:#}").contains("finite numbers alone"), "{error:#}");
        let mut second = context(folder.path(), Stop::never(), true);
        assert_eq!(second.step("a", |_| Ok(5)).unwrap(), 5);
        assert_eq!(second.step("b", |_| Ok(0.5)).unwrap(), 0.5);
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let error = context(folder.path(), Stop::never(), false).program().unwrap_err();
        assert!(error.to_string().contains("cargo build --release"), "{error}");
    }
}
