//! Models that people's exporters make and that broke the program once, with
//! the answers of ONNX Runtime. They are kept beside the repository; without
//! them the test is skipped.

use std::path::Path;

use quorate_lab::import::{Case, Outcome, Trust, cases};

fn kept() -> Option<Vec<Case>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/import");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(cases(&folder).unwrap())
}

#[test]
fn models_that_broke_us_are_right() {
    let Some(cases) = kept() else { return };
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
#[test]
fn what_torch_exports_is_right() {
    let cases = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torch")).unwrap();
    assert_eq!(cases.len(), 34);
    let outcomes = cases.iter().map(|case| (&case.name, case.outcome(Trust::Proven, true)));
    let bad = outcomes.filter(|(_, outcome)| !matches!(outcome, Outcome::Right { .. }));
    let bad: Vec<String> = bad.map(|(name, outcome)| format!("{name}: {outcome}")).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn open_shapes_are_asked_for() {
    let Some(cases) = kept() else { return };
    for name in ["symbolic_batch_and_width", "lstm_symbolic_T"] {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        let outcome = case.outcome(Trust::Proven, false).to_string();
        assert!(outcome.contains("--shape"), "{name}: {outcome}");
    }
}
