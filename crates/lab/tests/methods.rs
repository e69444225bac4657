//! `docs/methods.md` has a row for every trial, and every row is right.
//!
//! A test a model. One whose file is not there is listed as ignored.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use libtest_mimic::{Arguments, Trial as Test};
use quorate_lab::methods::{self, Columns, MODELS, Subject, Trial, find};
use quorate_lab::zoo::{ENTRIES, Size};

/// Columns that name a trial.
const KEY: usize = 4;
/// The column that varies from machine to machine.
const ERROR: usize = 7;

/// The rows of `docs/methods.md`.
fn document() -> Vec<Columns> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/methods.md");
    methods::read(&std::fs::read_to_string(path).unwrap())
}

fn key(trial: &Trial) -> [String; KEY] {
    [trial.model.name.into(), trial.kind.to_string(), trial.way.to_string(), trial.devices()]
}

fn every_trial_has_one_row() {
    let trials: Vec<_> = MODELS.iter().flat_map(|model| model.trials()).collect();
    let expected: Vec<_> = trials.iter().map(key).collect();
    let rows = document();
    let found: Vec<_> = rows.iter().map(|row| row[..KEY].to_vec()).collect();
    for key in &expected {
        let count = found.iter().filter(|row| row[..] == key[..]).count();
        assert_eq!(count, 1, "rows for {key:?}");
    }
    for row in &found {
        assert!(expected.iter().any(|key| row[..] == key[..]), "no trial for {row:?}");
    }
    for (trial, row) in trials.iter().zip(&rows) {
        let error: f64 = row[ERROR].parse().unwrap();
        assert!(error <= trial.limit(), "{row:?}");
    }
}

/// What is wrong with a trial and its row, if anything is.
fn wrong(trial: &Trial, subject: &Subject, rows: &[Columns]) -> Option<String> {
    let row = match trial.run(subject).and_then(methods::Row::right) {
        Ok(row) => row.columns(),
        Err(error) => return Some(format!("{trial}: {error:#}")),
    };
    let written = rows.iter().find(|row| row[..KEY] == key(trial))?;
    (row[..ERROR] != written[..ERROR])
        .then(|| format!("{trial}: docs/methods.md has {written:?}, now {row:?}"))
}

/// Runs all trials of a model, and what `quorate check` does.
fn check(name: &str, size: Size) {
    let model = find(name).unwrap();
    let subject = model.load(size).unwrap();
    // In full size there are more steps of recurrent cells.
    let rows = if size == Size::Small { document() } else { Vec::new() };
    let mut all = Vec::new();
    for trial in model.trials() {
        let since = Instant::now();
        all.extend(wrong(&trial, &subject, &rows));
        println!("{:6.1} s  {trial}", since.elapsed().as_secs_f64());
    }
    for f16 in [&[][..], &["*"]] {
        let since = Instant::now();
        let findings = subject.check(f16).unwrap().into_iter().filter(|f| !f.is_good());
        all.extend(findings.map(|finding| format!("check, f16 {f16:?}: {finding:?}")));
        println!("{:6.1} s  check, f16 {f16:?}", since.elapsed().as_secs_f64());
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

fn main() -> ExitCode {
    let of_model = |model: &'static methods::Model| {
        let run = || {
            check(model.name, Size::Small);
            Ok(())
        };
        let missing = model.missing().is_some();
        Test::test(model.name.replace('-', "_"), run).with_ignored_flag(missing)
    };
    let mut tests: Vec<Test> = MODELS.iter().map(of_model).collect();
    tests.push(Test::test("every_trial_has_one_row", || {
        every_trial_has_one_row();
        Ok(())
    }));
    // Needs minutes and gigabytes.
    let full = Test::test("zoo_in_full_size", || {
        ENTRIES.iter().for_each(|entry| check(entry.name, Size::Full));
        Ok(())
    });
    tests.push(full.with_ignored_flag(true).with_kind("slow: run with --ignored"));
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}
