//! The model zoo: published numbers of parameters, one file a seed, and
//! outputs equal to ONNX Runtime's, which `scripts/zoo_golden.py` wrote.

use std::path::Path;
use std::process::Command;

use prost::Message;
use quorate_engine::{Engine, Task, Tract};
use quorate_lab::sim::random::SplitMix;
use quorate_lab::zoo::{self, ENTRIES, Net, Size};
use quorate_model::onnx::ModelProto;
use quorate_model::tensor::{Tensor, read_f32};

/// Largest difference, relative to the largest golden value.
const TOLERANCE: f32 = 1e-4;
/// Inputs that a small model's golden file has outputs for.
const INPUTS: u64 = 2;

/// As `seeded` of `scripts/golden.py`.
fn seeded(shape: &[usize], seed: u64) -> Tensor {
    let mut random = SplitMix::new(seed);
    let mut value = || {
        let z = random.bits();
        let sum: i64 = (0..4).map(|k| ((z >> (16 * k)) & 0xFFFF) as i64).sum();
        (sum - 2 * 65535) as f32 * 2.642_899_8e-5
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| value()).collect();
    Tensor::from_f32(shape.to_vec(), &values).unwrap()
}

fn golden(file: &str) -> Vec<f32> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    read_f32(&std::fs::read(folder.join(file)).unwrap())
}

/// The model of seed 1, in tract.
fn load(name: &str, size: Size) -> (Net, Box<dyn Task>) {
    let net = zoo::find(name).unwrap().net(size);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    net.write(1, &mut std::fs::File::create(&path).unwrap()).unwrap();
    let task = Tract::default().load(&path).unwrap();
    (net, task)
}

/// Compares the outputs for inputs 0, 1, .. with golden ones.
fn compare(name: &str, got: &[f32], golden: &[f32]) {
    assert_eq!(got.len(), golden.len(), "{name}");
    let largest = golden.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    // Neither vanished nor exploded.
    assert!((0.1..30.0).contains(&largest), "{name}: largest output {largest}");
    let mut worst = 0.0f32;
    for (n, (got, golden)) in got.iter().zip(golden).enumerate() {
        let apart = (got - golden).abs() / largest;
        // Written so that a NaN fails.
        assert!(apart <= TOLERANCE, "{name}: value {n} is {got}, golden {golden}, {apart} apart");
        worst = worst.max(apart);
    }
    println!("{name}: {worst:.1e} apart");
}

fn run(task: &mut dyn Task, net: &Net, seed: u64) -> Vec<f32> {
    task.run(&[seeded(net.input_shape(), seed)]).unwrap()[0].to_f32().unwrap()
}

#[test]
fn small_models_equal_onnxruntime() {
    for entry in ENTRIES {
        let golden = golden(&format!("{}.f32", entry.name));
        let mut got = Vec::new();
        for seed in 0..INPUTS {
            let (net, mut task) = load(entry.name, Size::Small);
            got.extend(run(task.as_mut(), &net, seed));
        }
        compare(entry.name, &got, &golden);
    }
}

/// A task is asked for one input after the other.
#[test]
fn a_task_forgets_what_it_ran() {
    for entry in ENTRIES {
        let golden = golden(&format!("{}.f32", entry.name));
        let (net, mut task) = load(entry.name, Size::Small);
        let got: Vec<f32> = (0..INPUTS).flat_map(|seed| run(task.as_mut(), &net, seed)).collect();
        compare(entry.name, &got, &golden);
    }
}

/// Needs minutes and gigabytes.
#[test]
#[ignore = "slow: run with --ignored"]
fn full_models_equal_onnxruntime() {
    for entry in ENTRIES {
        let (net, mut task) = load(entry.name, Size::Full);
        let golden = golden(&format!("{}_full.f32", entry.name));
        compare(entry.name, &run(task.as_mut(), &net, 0), &golden);
    }
}

#[test]
fn published_numbers_of_parameters() {
    let cases = [
        // torchvision's documentation of each model.
        ("alexnet", 61_100_840),
        ("vgg16", 138_357_544),
        ("resnet18", 11_689_512),
        ("resnet50", 25_557_032),
        ("resnext50", 25_028_904),
        // 78.4 million, as given for 101 classes.
        ("c3d", 78_409_573),
        // What PyTorch counts: both biases of each gate.
        ("lstm", 4 * 512 * (40 + 512 + 2) + 4 * 512 * (512 + 512 + 2) + 513 * 35),
        ("gru", 3 * 512 * (40 + 512 + 2) + 3 * 512 * (512 + 512 + 2) + 513 * 35),
        ("rnn", 512 * (40 + 512 + 2) + 512 * (512 + 512 + 2) + 513 * 35),
        ("mlp", 785 * 2048 + 2049 * 2048 + 2049 * 10),
    ];
    for (name, parameters) in cases {
        let net = zoo::find(name).unwrap().net(Size::Full);
        assert_eq!(net.parameters(), parameters, "{name}");
    }
}

#[test]
fn one_seed_one_file() {
    for entry in ENTRIES {
        let net = entry.net(Size::Small);
        let bytes = net.to_bytes(1);
        assert_eq!(bytes, net.to_bytes(1), "{}", entry.name);
        assert_ne!(bytes, net.to_bytes(2), "{}", entry.name);
        assert!((100_000..4_000_000).contains(&bytes.len()), "{}: {}", entry.name, bytes.len());
    }
}

/// A graph of the small model has the nodes of the full one.
#[test]
fn small_is_the_same_graph() {
    for entry in ENTRIES {
        let ops = |size| -> Vec<String> {
            let graph = entry.net(size).graph();
            graph.node.iter().map(|n| n.op_type().to_owned()).collect()
        };
        assert_eq!(ops(Size::Small), ops(Size::Full), "{}", entry.name);
    }
}

#[test]
fn every_value_has_a_type() {
    for entry in ENTRIES {
        let bytes = entry.net(Size::Small).to_bytes(1);
        let graph = ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap();
        let typed = |name: &str| {
            let values = graph.value_info.iter().chain(&graph.output);
            values.into_iter().filter(|v| v.name() == name).count()
        };
        for output in graph.node.iter().flat_map(|n| &n.output).filter(|o| !o.is_empty()) {
            assert_eq!(typed(output), 1, "{}: {output}", entry.name);
        }
    }
}

#[test]
fn names() {
    let mut list = Vec::new();
    zoo::print_list(Size::Full, &mut list).unwrap();
    let list = String::from_utf8(list).unwrap();
    for entry in ENTRIES {
        assert!(list.lines().any(|line| line.starts_with(entry.name)), "{}", entry.name);
    }
    let error = zoo::find("alexnot").err().unwrap().to_string();
    assert!(error.starts_with("no model alexnot; there are alexnet, vgg16, c3d"), "{error}");
}

#[test]
fn command() {
    let folder = tempfile::tempdir().unwrap();
    let lab = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate-lab"));
        command.arg("zoo").args(args).current_dir(folder.path()).output().unwrap()
    };
    let made = lab(&["rnn", "--small", "--seed", "7", "-o", "made.onnx"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let bytes = std::fs::read(folder.path().join("made.onnx")).unwrap();
    assert_eq!(bytes, zoo::find("rnn").unwrap().net(Size::Small).to_bytes(7));
    assert!(lab(&["rnn", "--small"]).status.success());
    assert!(folder.path().join("rnn.onnx").exists());
    let list = String::from_utf8(lab(&["--list"]).stdout).unwrap();
    assert_eq!(list.lines().count(), 1 + ENTRIES.len(), "{list}");
    assert!(!lab(&[]).status.success());
    assert!(!lab(&["alexnot"]).status.success());
    assert!(!folder.path().join("alexnot.onnx").exists());
}
