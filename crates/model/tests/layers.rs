//! Models that are kept beside the repository are cut at their layers; one that is
//! not there is listed as ignored.

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use quorate_model::model::{Limits, Model};
use quorate_model::stage::Staged;

/// Models and their layers.
const CASES: [(&str, usize); 4] = [
    ("cifar10_cnn.onnx", 9),
    ("alexnet_features_imagenet.onnx", 5),
    ("mobilenet_v2_imagenet.onnx", 36),
    ("inception_v3_imagenet_u8w.onnx", 95),
];

fn main() -> ExitCode {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let trials = CASES.map(|(name, layers)| {
        let path = folder.join(name);
        let missing = !path.exists();
        let test = move || {
            let model = Model::read(std::fs::read(path).unwrap().into(), &Limits::default());
            assert_eq!(Staged::new(model.unwrap()).unwrap().stages.len(), layers);
            Ok(())
        };
        Trial::test(name, test).with_ignored_flag(missing)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}
