//! `docs/methods.md` has a row for every trial, and every row is right.
//!
//! A test a model. One whose file is not there says so and is left out.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

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

fn say(words: &str) {
    // Not `eprintln!`: the test harness holds back what it prints.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{words}").unwrap();
}

#[test]
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
    if let Some(file) = model.missing() {
        return say(&format!("SKIPPED: {name}: {file} is not there"));
    }
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

macro_rules! models {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                check($name, Size::Small);
            }
        )*

        #[test]
        fn every_model_has_a_test() {
            let names: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
            let mut tested = vec![$($name),*];
            tested.sort_by_key(|name| names.iter().position(|known| known == name));
            assert_eq!(tested, names);
        }
    };
}

models! {
    inception_v3: "inception_v3",
    mobilenet_v2: "mobilenet_v2",
    vgg16: "vgg16",
    c3d: "c3d",
    resnet50: "resnet50",
    resnext50: "resnext50",
    alexnet_features: "alexnet_features",
    lenet5: "lenet5",
    cifar10_cnn: "cifar10_cnn",
    alexnet: "alexnet",
    resnet18: "resnet18",
    two_stream: "two-stream",
    low_res: "low-res",
    mlp: "mlp",
    lstm: "lstm",
    gru: "gru",
    rnn: "rnn",
    transformer: "transformer",
}

/// Needs minutes and gigabytes.
#[test]
#[ignore = "slow: run with --ignored"]
fn zoo_in_full_size() {
    ENTRIES.iter().for_each(|entry| check(entry.name, Size::Full));
}
