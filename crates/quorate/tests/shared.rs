//! Models that are kept beside the repository; one that is not there is listed as
//! ignored.

mod support;

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use support::{assert_whole, quorate, shared, words};

/// A demo of a model that it was not made for.
fn demo_runs(model: &Path) {
    let model = model.to_str().unwrap();
    let args = ["demo", "--json", "--model", model, "--devices", "2"];
    let output = quorate(&[&args[..], &["--requests", "60", "--rate", "10"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["lost"], &report["wrong"]), (&0.into(), &0.into()));
    assert!(report["accuracy"].is_null());
}

/// Name, model, test.
type Case = (&'static str, &'static str, fn(&Path));

const TESTS: [Case; 3] = [
    ("check_finds_cifar10_whole", "cifar10_cnn.onnx", assert_whole),
    ("check_finds_alexnet_whole", "alexnet_features_imagenet.onnx", assert_whole),
    ("demo_runs_cifar10", "cifar10_cnn.onnx", demo_runs),
];

fn main() -> ExitCode {
    let trials = TESTS.map(|(name, model, test)| {
        let run = move || {
            test(&shared(model));
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(!shared(model).exists())
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}
