//! Tract against ONNX Runtime's outputs, made by `scripts/golden.py`.
//!
//! LeNet-5 is part of this repository. The other models are looked up in
//! `../shared/data` beside it; a case whose model is not there says so and is
//! left out.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

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

/// The file in the assets or beside the repository; says so if in neither.
fn find(file: &str) -> Option<PathBuf> {
    let places = [repository().join("assets"), repository().join("../shared/data")];
    let found = places.iter().map(|p| p.join(file)).find(|p| p.exists());
    if found.is_none() {
        // Not `eprintln!`: the test harness holds back what it prints.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED: {file} is not there").unwrap();
    }
    found
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

/// `count` inputs of `elements` values each; `None` if their file is missing.
fn inputs(source: Source, elements: usize, count: usize) -> Option<Vec<Vec<f32>>> {
    let digits = || find("mnist-t10k-images-idx3-ubyte.gz").map(|p| gunzip(&p));
    let images = || find("cifar10-test1k.bin.gz").map(|p| gunzip(&p));
    Some(match source {
        Source::Mnist => digits()?[16..]
            .chunks_exact(elements)
            .take(count)
            .map(|d| d.iter().map(|&b| f32::from(b) / 255.0).collect())
            .collect(),
        Source::Cifar => images()?
            .chunks_exact(elements + 1)
            .take(count)
            .map(|r| r[1..].iter().map(|&b| f32::from(b)).collect())
            .collect(),
        Source::Seeded => (0..count).map(|n| seeded(elements, n as u64)).collect(),
    })
}

/// Holds the answers, on one thread and on two, against the golden ones.
fn check(name: &str, file: &str, source: Source, count: usize) {
    let Some(path) = find(file) else { return };
    let mut task = Tract::default().load(&path).unwrap();
    let mut on_two = Tract::on_threads(2).load(&path).unwrap();
    let shape = task.inputs()[0].shape.clone();
    let Some(inputs) = inputs(source, shape.iter().product(), count) else { return };
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

#[test]
fn lenet5() {
    check("lenet5", "lenet5.onnx", Source::Mnist, 16);
}

#[test]
fn cifar10_cnn() {
    check("cifar10_cnn", "cifar10_cnn.onnx", Source::Cifar, 4);
}

#[test]
fn alexnet_features() {
    check("alexnet_features", "alexnet_features_imagenet.onnx", Source::Seeded, 1);
}

#[test]
fn mobilenet_v2() {
    check("mobilenet_v2", "mobilenet_v2_imagenet.onnx", Source::Seeded, 1);
}

#[test]
fn inception_v3() {
    check("inception_v3", "inception_v3_imagenet_u8w.onnx", Source::Seeded, 1);
}
