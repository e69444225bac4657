//! Tract against ONNX Runtime's outputs, made by `scripts/golden.py`.
//!
//! LeNet-5 is part of this repository. The other models are looked up in
//! `../shared/data` beside it; a case whose model is not there is listed as
//! ignored.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use quorate_engine::{Engine, Tract};
use quorate_model::tensor::{Tensor, read_f32};

/// Largest difference, relative to the largest golden value.
const TOLERANCE: f32 = 1e-4;

/// Where a case's inputs come from.
#[derive(Clone, Copy)]
enum Source {
    /// MNIST test digits, a value a byte, by 255.
    Mnist,
    /// CIFAR-10 test images, a label byte before each.
    Cifar,
    /// [`seeded`], with the input's number for a seed.
    Seeded,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The file in the assets or beside the repository.
fn find(file: &str) -> Option<PathBuf> {
    let places = [repository().join("assets"), repository().join("../shared/data")];
    places.iter().map(|p| p.join(file)).find(|p| p.exists())
}

fn gunzip(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

/// As `seeded` of `scripts/golden.py`.
fn seeded(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let mut value = || {
        let z = next();
        let sum: i64 = (0..4).map(|k| ((z >> (16 * k)) & 0xFFFF) as i64).sum();
        (sum - 2 * 65535) as f32 * 2.642_899_8e-5
    };
    (0..count).map(|_| value()).collect()
}

impl Source {
    /// The file that it takes.
    fn file(self) -> Option<&'static str> {
        match self {
            Source::Mnist => Some("mnist-t10k-images-idx3-ubyte.gz"),
            Source::Cifar => Some("cifar10-test1k.bin.gz"),
            Source::Seeded => None,
        }
    }

    /// `count` inputs of `elements` values each.
    fn inputs(self, elements: usize, count: usize) -> Vec<Vec<f32>> {
        let read = || gunzip(&find(self.file().unwrap()).unwrap());
        match self {
            Source::Mnist => read()[16..]
                .chunks_exact(elements)
                .take(count)
                .map(|d| d.iter().map(|&b| f32::from(b) / 255.0).collect())
                .collect(),
            Source::Cifar => read()
                .chunks_exact(elements + 1)
                .take(count)
                .map(|r| r[1..].iter().map(|&b| f32::from(b)).collect())
                .collect(),
            Source::Seeded => (0..count).map(|n| seeded(elements, n as u64)).collect(),
        }
    }
}

/// Holds the answers, on one thread and on two, against the golden ones.
fn check(name: &str, file: &str, source: Source, count: usize) {
    let path = find(file).unwrap();
    let mut task = Tract::default().load(&path).unwrap();
    let mut on_two = Tract::on_threads(2).load(&path).unwrap();
    let shape = task.inputs()[0].shape.clone();
    let inputs = source.inputs(shape.iter().product(), count);
    let mut got = Vec::new();
    for input in &inputs {
        let input = Tensor::from_f32(shape.clone(), input).unwrap();
        let outputs = task.run(std::slice::from_ref(&input)).unwrap();
        assert_eq!(on_two.run(&[input]).unwrap(), outputs, "{name}: another answer on two threads");
        assert_eq!(outputs[0].shape(), task.outputs()[0].shape);
        got.extend(outputs[0].to_f32().unwrap());
    }
    let golden = repository().join(format!("crates/engine/tests/golden/{name}.f32"));
    let golden = read_f32(&std::fs::read(golden).unwrap());
    assert_eq!(got.len(), golden.len());
    let largest = golden.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for (n, (got, golden)) in got.iter().zip(&golden).enumerate() {
        let apart = (got - golden).abs() / largest;
        // Written so that a NaN fails.
        assert!(apart <= TOLERANCE, "{name}: value {n} is {got}, golden {golden}, {apart} apart");
    }
}

/// Name of the golden file, model, inputs and how many.
const CASES: [(&str, &str, Source, usize); 5] = [
    ("lenet5", "lenet5.onnx", Source::Mnist, 16),
    ("cifar10_cnn", "cifar10_cnn.onnx", Source::Cifar, 4),
    ("alexnet_features", "alexnet_features_imagenet.onnx", Source::Seeded, 1),
    ("mobilenet_v2", "mobilenet_v2_imagenet.onnx", Source::Seeded, 1),
    ("inception_v3", "inception_v3_imagenet_u8w.onnx", Source::Seeded, 1),
];

fn main() -> ExitCode {
    let trials = CASES.into_iter().map(|(name, file, source, count)| {
        let mut files = [Some(file), source.file()].into_iter().flatten();
        let missing = files.any(|file| find(file).is_none());
        let run = move || {
            check(name, file, source, count);
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(missing)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
