//! Models that people's exporters make and that broke the program once, with
//! the answers of ONNX Runtime. They are kept beside the repository; without
//! them tests are listed as ignored.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use quorate_lab::import::{Case, Outcome, Trust, cases};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/import")
}

fn kept() -> Vec<Case> {
    cases(&folder()).unwrap()
}

fn models_that_broke_us_are_right() {
    let cases = kept();
    assert!(cases.len() >= 42, "{} cases", cases.len());
    let mut bad = Vec::new();
    for case in cases {
        let outcome = case.outcome(Trust::Proven, true);
        if !matches!(outcome, Outcome::Right { .. }) {
            bad.push(format!("{}: {outcome}", case.name));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// Layers of torchvision's networks and of transformers at a fraction of the
/// width, by both exporters of PyTorch: `scripts/torch_exports.py`.
fn what_torch_exports_is_right() {
    let cases = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torch")).unwrap();
    assert_eq!(cases.len(), 53);
    let outcomes = cases.iter().map(|case| (&case.name, case.outcome(Trust::Proven, true)));
    let bad = outcomes.filter(|(_, outcome)| !matches!(outcome, Outcome::Right { .. }));
    let bad: Vec<String> = bad.map(|(name, outcome)| format!("{name}: {outcome}")).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

fn open_shapes_are_asked_for() {
    let cases = kept();
    for name in ["symbolic_batch_and_width", "lstm_symbolic_T"] {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        let outcome = case.outcome(Trust::Proven, false).to_string();
        assert!(outcome.contains("--shape"), "{name}: {outcome}");
    }
}

/// Name, test, and whether it takes what is kept beside the repository.
const TESTS: [(&str, fn(), bool); 3] = [
    ("models_that_broke_us_are_right", models_that_broke_us_are_right, true),
    ("what_torch_exports_is_right", what_torch_exports_is_right, false),
    ("open_shapes_are_asked_for", open_shapes_are_asked_for, true),
];

fn main() -> ExitCode {
    let trial = |(name, test, of_kept): (&str, fn(), bool)| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(of_kept && !folder().is_dir())
    };
    libtest_mimic::run(&Arguments::from_args(), TESTS.map(trial).into()).exit_code()
}
