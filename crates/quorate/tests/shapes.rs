//! A model with open lengths, inputs of two types and two outputs, from the
//! file to answers of real workers.

mod support;

use std::path::Path;

use bytes::Bytes;
use prost::Message;
use quorate::input::{read_npz, write_npz};
use quorate::net::free_addresses;
use quorate_model::onnx::{
    GraphProto, NodeProto, ValueInfoProto, inline_tensor, model, tensor_shape_proto, type_proto,
    value_info,
};
use quorate_model::tensor::{DType, Tensor};
use support::{Worker, quorate, words};

/// Small whole numbers, so that answers are exact.
fn counted(shape: &[usize], step: usize) -> Vec<f32> {
    (0..shape.iter().product()).map(|at: usize| (at * step % 7) as f32 - 3.0).collect()
}

/// An input whose first length is open, by this name.
fn open(name: &str, dtype: DType, shape: &[usize], first: &str) -> ValueInfoProto {
    let mut info = value_info(name, dtype, shape);
    let of = info.r#type.as_mut().and_then(|of| of.value.as_mut());
    if let Some(type_proto::Value::TensorType(tensor)) = of {
        let dims = &mut tensor.shape.as_mut().unwrap().dim;
        dims[0].value = Some(tensor_shape_proto::dimension::Value::DimParam(first.to_owned()));
    }
    info
}

const TABLE: [usize; 2] = [10, 6];
const WORDS: [usize; 2] = [6, 5];
const NUMBERS: [usize; 2] = [4, 8];

/// y = relu(x * numbers), z = table[ids] * words.
fn write_model(path: &Path) {
    let node = |op: &str, inputs: &[&str], output: &str| NodeProto {
        op_type: Some(op.to_owned()),
        name: Some(format!("{op} for {output}: node/1")),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    };
    let weights = |name: &str, shape: &[usize], step| {
        let bytes: Bytes = counted(shape, step).into_iter().flat_map(f32::to_le_bytes).collect();
        inline_tensor(name, DType::F32, shape, bytes)
    };
    let graph = GraphProto {
        name: Some("two".to_owned()),
        node: vec![
            node("MatMul", &["x", "numbers"], "h"),
            node("Relu", &["h"], "y"),
            node("Gather", &["table", "ids"], "e"),
            node("MatMul", &["e", "words"], "z"),
        ],
        initializer: vec![
            weights("numbers", &NUMBERS, 3),
            weights("table", &TABLE, 2),
            weights("words", &WORDS, 5),
        ],
        input: vec![open("x", DType::F32, &[1, 4], "batch"), open("ids", DType::I64, &[3], "L")],
        output: vec![open("y", DType::F32, &[1, 8], "batch"), open("z", DType::F32, &[3, 5], "L")],
        ..GraphProto::default()
    };
    std::fs::write(path, model(graph, 17).encode_to_vec()).unwrap();
}

fn product(a: &[f32], b: &[f32], inner: usize, columns: usize) -> Vec<f32> {
    let row = |a: &[f32]| -> Vec<f32> {
        (0..columns).map(|j| (0..inner).map(|i| a[i] * b[i * columns + j]).sum()).collect()
    };
    a.chunks(inner).flat_map(row).collect()
}

/// The naive way to both outputs.
fn right(x: &[f32], ids: &[i64]) -> [Vec<f32>; 2] {
    let y = product(x, &counted(&NUMBERS, 3), 4, 8).into_iter().map(|v| v.max(0.0)).collect();
    let table = counted(&TABLE, 2);
    let picked: Vec<f32> =
        ids.iter().flat_map(|&id| table[id as usize * 6..][..6].to_vec()).collect();
    [y, product(&picked, &counted(&WORDS, 5), 6, 5)]
}

#[test]
fn open_lengths_and_several_inputs_go_all_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    write_model(Path::new(&at("two.onnx")));
    let (file, plan, bundle) = (at("two.onnx"), at("plan.toml"), at("bundle"));
    let hosts = free_addresses(3).unwrap().join(",");
    let planned = |shapes: &[&str]| {
        let args = ["plan", &file, "--devices", "2", "--spares", "1", "--hosts", &hosts];
        quorate(&[&args[..], &["-o", &plan], shapes].concat())
    };
    // A length that is open is asked for by the name of its input, and a wrong
    // one is told.
    for (shapes, said) in [
        (&["--dim", "batch=1"][..], "--shape ids="),
        (&["--dim", "batch=1", "--shape", "ids=3,2"], "ids"),
        (&["--dim", "batch=1", "--dim", "L=3", "--dim", "M=3"], "M"),
        (&["--shape", "x=0,4"], "length of 0"),
    ] {
        let output = planned(shapes);
        assert_eq!(output.status.code(), Some(2), "{shapes:?}: {}", words(&output));
        assert!(words(&output).contains(said), "{shapes:?}: {}", words(&output));
    }
    let output = planned(&["--dim", "batch=1", "--shape", "ids=3"]);
    assert!(output.status.success(), "{}", words(&output));
    assert!(words(&output).contains("2 of 2 layers divided"), "{}", words(&output));
    // The plan keeps the lengths.
    let output = quorate(&["pack", &file, &plan, "-o", &bundle]);
    assert!(output.status.success(), "{}", words(&output));
    let mut workers: Vec<Worker> = (1..=3)
        .map(|device| {
            let name = format!("pi-{device}");
            let own = format!("{bundle}/{name}");
            Worker::start(&["worker", "--name", &name, "--bundle", &own, "--end-with-parent"])
        })
        .collect();
    let (x, ids) = (vec![1.0, -2.0, 3.0, 0.5], vec![7, 0, 9]);
    let [y, z] = right(&x, &ids);
    let arrays = [
        (
            "ids".to_owned(),
            Tensor::new(
                DType::I64,
                vec![3],
                ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>().into(),
            )
            .unwrap(),
        ),
        ("x".to_owned(), Tensor::from_f32(vec![1, 4], &x).unwrap()),
    ];
    write_npz(Path::new(&at("in.npz")), &arrays).unwrap();
    let (given, saved) = (at("in.npz"), at("out.npz"));
    for dead in [false, true] {
        if dead {
            workers[0].kill();
        }
        let asked = ["run", &bundle, "--input", &given, "-o", &saved, "--json"];
        let output = quorate(&asked);
        assert!(output.status.success(), "{}", words(&output));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let names: Vec<&str> = answer["outputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| o["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["y", "z"]);
        let got = read_npz(Path::new(&saved)).unwrap();
        for (name, right) in [("y", &y), ("z", &z)] {
            let (_, tensor) = got.iter().find(|(found, _)| found == name).unwrap();
            assert_eq!(tensor.to_f32().unwrap(), *right, "{name}, a device dead: {dead}");
        }
    }
    let one = quorate(&["run", &bundle, "--input", &given, "--output", "z", "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(answer["outputs"].as_array().unwrap().len(), 1);
    for (args, said) in [
        (&["--input", &given, "--output", "w"][..], "y, z"),
        (&["--input", "x=missing.npy"], "missing.npy"),
    ] {
        let output = quorate(&[&["run", &bundle], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", words(&output));
        assert!(words(&output).contains(said), "{args:?}: {}", words(&output));
    }
}
