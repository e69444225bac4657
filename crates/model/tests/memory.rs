//! Packing holds little more than the model's file, whatever the weights are
//! stored as. Each model is packed in a process of its own, whose highest
//! resident size the kernel keeps.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use bytes::Bytes;
use libtest_mimic::{Arguments, Trial};
use prost::Message;
use quorate_code::Code;
use quorate_model::division::method::Method;
use quorate_model::model::{Limits, Model};
use quorate_model::onnx::{
    self, GraphProto, NodeProto, ValueInfoProto, inline_tensor, int_attribute, value_info,
};
use quorate_model::pack::{TaskSpec, Work, lay_out};
use quorate_model::part::Part;
use quorate_model::stage::Staged;
use quorate_model::tensor::{DType, Tensor};

/// Most bytes at once for each byte of the file.
const RATIO_MAX: f64 = 1.2;

/// Tells the child process which model to pack.
const MODEL: &str = "QUORATE_MEMORY_MODEL";

/// Packed first, so that the program's pages are there.
const LENET: &[u8] = include_bytes!("../../../assets/lenet5.onnx");

/// Every stage in four data shards and two parities, then the output.
fn pack(bytes: Bytes) {
    let staged = Staged::new(Model::read(bytes, &Limits::default()).unwrap()).unwrap();
    let mut tasks = vec![TaskSpec { name: "output".to_owned(), work: Work::Output }];
    for (stage, s) in staged.stages.iter().enumerate() {
        let layer = s.layer().unwrap();
        let rows = (Method::default_for(layer).facts().even)(layer, 4, true);
        let n = rows.shards();
        let parity = [[1.0; 4], [1.0, 2.0, 3.0, 4.0]].map(|coefficients| {
            let code = Code::from_generator(n, &coefficients[..n]).unwrap();
            Part::parity(rows.clone(), Arc::new(code), 0)
        });
        let data = (0..n).map(|shard| Part::data(rows.clone(), shard));
        for (i, part) in data.chain(parity).enumerate() {
            let work = Work::Stage { stage, part, cut: false };
            tasks.push(TaskSpec { name: format!("{stage}-{i}"), work });
        }
    }
    let layout = lay_out(&staged, &tasks, "weights.bin").unwrap();
    layout.write_weights(&mut io::sink(), &mut |_| {}).unwrap();
    (0..layout.tasks()).for_each(|task| drop(layout.task_onnx(task).unwrap()));
}

/// A field of /proc/self/status, in bytes.
fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// In a process of its own: packs a model, and says what it held.
fn child(path: &OsStr) {
    let before = status("RssAnon");
    pack(Bytes::from_static(LENET));
    // Sets the highest resident size to the present one.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    pack(std::fs::read(path).unwrap().into());
    // The program's own pages are resident too, and are no one's to save.
    println!("held: {}", status("VmHWM").saturating_sub(status("RssFile") + before));
}

/// Six convolutions of about a megabyte of weights, quantized by channel or
/// not, each with its normalization.
fn normalized(quantized: bool) -> Vec<u8> {
    let channels: usize = if quantized { 352 } else { 176 };
    let weights = [channels, channels, 3, 3];
    let mut graph = GraphProto {
        input: vec![value_info("v0", DType::F32, &[1, channels, 15, 15])],
        output: vec![ValueInfoProto { name: Some("v6".to_owned()), ..Default::default() }],
        ..Default::default()
    };
    let ones = Tensor::from_f32(vec![channels], &vec![1.5; channels]).unwrap();
    graph.initializer.push(inline_tensor("k", DType::F32, &[channels], ones.data().clone()));
    for i in 0..6 {
        let mut node = |op: &str, inputs: &[String], output: String, axis: Option<i64>| {
            graph.node.push(NodeProto {
                op_type: Some(op.to_owned()),
                input: inputs.to_vec(),
                output: vec![output],
                attribute: axis.map(|a| int_attribute("axis", a)).into_iter().collect(),
                ..Default::default()
            });
        };
        let k = "k".to_owned();
        let stored = format!("{}{i}", if quantized { "q" } else { "w" });
        if quantized {
            node("DequantizeLinear", &[stored.clone(), k.clone()], format!("w{i}"), Some(0));
        }
        node("Conv", &[format!("v{i}"), format!("w{i}")], format!("c{i}"), None);
        let inputs = [format!("c{i}"), k.clone(), k.clone(), k.clone(), k];
        node("BatchNormalization", &inputs, format!("v{}", i + 1), None);
        let dtype = if quantized { DType::U8 } else { DType::F32 };
        let data = vec![i as u8; weights.iter().product::<usize>() * dtype.size()];
        graph.initializer.push(inline_tensor(&stored, dtype, &weights, data.into()));
    }
    onnx::model(graph, 17).encode_to_vec()
}

/// Bytes held at most while the model at `path` is packed.
fn held(path: &Path) -> u64 {
    let child = Command::new(std::env::current_exe().unwrap()).env(MODEL, path).output().unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    let line = said.lines().find_map(|l| l.split_once("held: ")?.1.parse().ok());
    line.unwrap_or_else(|| panic!("{said}\n{}", String::from_utf8_lossy(&child.stderr)))
}

/// Packing this model holds little more than its file.
fn packing_holds_little(path: &Path) {
    let (held, file) = (held(path), std::fs::metadata(path).unwrap().len());
    let ratio = held as f64 / file as f64;
    println!("{held} bytes held, {ratio:.3} x the file's {file}");
    assert!(ratio <= RATIO_MAX, "{ratio:.3} x the file, limit {RATIO_MAX}");
}

/// Models that the test makes itself.
const MADE: [(&str, bool); 2] = [("normalized.onnx", false), ("normalized_u8w.onnx", true)];
/// Models that are kept beside the repository.
const KEPT: [&str; 4] = [
    "cifar10_cnn.onnx",
    "alexnet_features_imagenet.onnx",
    "mobilenet_v2_imagenet.onnx",
    "inception_v3_imagenet_u8w.onnx",
];

fn main() -> ExitCode {
    if let Some(path) = std::env::var_os(MODEL) {
        child(&path);
        return ExitCode::SUCCESS;
    }
    // The highest resident size is only known on Linux.
    let is_known = Path::new("/proc/self/clear_refs").exists();
    let made = MADE.map(|(name, quantized)| {
        let test = move || {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            std::fs::write(&path, normalized(quantized)).unwrap();
            packing_holds_little(&path);
            Ok(())
        };
        Trial::test(name, test).with_ignored_flag(!is_known)
    });
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let kept = KEPT.map(|name| {
        let path = shared.join(name);
        let missing = !is_known || !path.exists();
        let test = move || {
            packing_holds_little(&path);
            Ok(())
        };
        Trial::test(name, test).with_ignored_flag(missing)
    });
    let trials = made.into_iter().chain(kept).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
