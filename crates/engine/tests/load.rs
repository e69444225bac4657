//! Loading: weights beside the file, symbolic batches, broken files.

use std::path::{Path, PathBuf};

use prost::Message;
use quorate_engine::{Engine, EngineError, Port, Tract};
use quorate_model::tensor::{DType, Tensor};
use tract_onnx::pb::tensor_proto::DataLocation;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::type_proto::Value as Type;
use tract_onnx::pb::{ModelProto, StringStringEntryProto, ValueInfoProto};

fn lenet5() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/lenet5.onnx")
}

fn lenet5_bytes() -> Vec<u8> {
    std::fs::read(lenet5()).unwrap()
}

fn digit() -> Tensor {
    let pixels: Vec<f32> = (0..784).map(|i| (i % 28) as f32 / 28.0).collect();
    Tensor::from_f32(vec![1, 1, 28, 28], &pixels).unwrap()
}

/// Sets dimension `axis` of a graph input or output.
fn set_dim(port: &mut ValueInfoProto, axis: usize, value: Option<Dim>) {
    let Some(Type::TensorType(tensor)) = port.r#type.as_mut().unwrap().value.as_mut() else {
        panic!("no tensor");
    };
    tensor.shape.as_mut().unwrap().dim[axis].value = value;
}

/// Moves all weights into one file in `folder`; gives the path of the model.
fn externalise(folder: &Path) -> PathBuf {
    let mut model = ModelProto::decode(&lenet5_bytes()[..]).unwrap();
    // Something before the first, so that offset 0 is not the only one read.
    let mut weights = vec![0xff; 64];
    for tensor in &mut model.graph.as_mut().unwrap().initializer {
        let data = std::mem::take(&mut tensor.raw_data);
        assert!(!data.is_empty());
        let offset = weights.len().to_string();
        let length = data.len().to_string();
        let entries = [("location", "weights.bin"), ("offset", &offset), ("length", &length)];
        let entry = |(key, value): (&str, &str)| StringStringEntryProto {
            key: key.into(),
            value: value.into(),
        };
        tensor.external_data = entries.into_iter().map(entry).collect();
        tensor.data_location = Some(DataLocation::External as i32);
        weights.extend(data);
    }
    std::fs::write(folder.join("weights.bin"), weights).unwrap();
    let path = folder.join("lenet5.onnx");
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    path
}

#[test]
fn ports_bear_the_names_of_the_file() {
    let task = Tract::default().load(&lenet5()).unwrap();
    let input = Port { name: "input".into(), dtype: DType::F32, shape: vec![1, 1, 28, 28] };
    let output = Port { name: "logits".into(), dtype: DType::F32, shape: vec![1, 10] };
    assert_eq!(task.inputs(), [input]);
    assert_eq!(task.outputs(), [output]);
    assert_eq!(Tract::default().name(), "tract");
}

#[test]
fn weights_beside_the_file_are_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = externalise(folder.path());
    let mut outside = Tract::default().load(&path).unwrap();
    let mut inside = Tract::default().load_bytes("lenet5", &lenet5_bytes()).unwrap();
    assert_eq!(outside.run(&[digit()]).unwrap(), inside.run(&[digit()]).unwrap());

    let alone = Tract::default().load_bytes("alone", &std::fs::read(&path).unwrap());
    assert!(matches!(alone.err(), Some(EngineError::Load { .. })));
}

/// Has the entry `key` of all external data say something else, and loads that.
fn loaded_with(path: &Path, key: &str, value: &str) -> Result<(), String> {
    let mut model = ModelProto::decode(&std::fs::read(path).unwrap()[..]).unwrap();
    for tensor in &mut model.graph.as_mut().unwrap().initializer {
        let entries = tensor.external_data.iter_mut().filter(|entry| entry.key == key);
        entries.for_each(|entry| entry.value = value.into());
    }
    let changed = path.with_file_name("changed.onnx");
    std::fs::write(&changed, model.encode_to_vec()).unwrap();
    Tract::default().load(&changed).map(|_| ()).map_err(|e| e.to_string())
}

#[test]
fn weights_that_are_not_there_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("model");
    std::fs::create_dir(&inside).unwrap();
    let path = externalise(&inside);
    std::fs::copy(inside.join("weights.bin"), folder.path().join("weights.bin")).unwrap();
    assert_eq!(loaded_with(&path, "location", "./weights.bin"), Ok(()));
    for (key, value, words) in [
        ("location", "../weights.bin", "not in the model's folder"),
        ("location", folder.path().join("weights.bin").to_str().unwrap(), "not in the model's"),
        ("location", ".", "no file"),
        ("location", "gone.bin", "No such file"),
        ("length", "5000", "5000 bytes for F32"),
        ("offset", "18446744073709551615", "needs 18446744073709551615+"),
    ] {
        let error = loaded_with(&path, key, value).unwrap_err();
        assert!(error.contains(words), "{key} {value}: {error}");
    }
    std::fs::write(inside.join("weights.bin"), [0; 100]).unwrap();
    let cut = Tract::default().load(&path).err().unwrap().to_string();
    assert!(cut.contains("weights.bin: it has 100 bytes, needs"), "{cut}");
}

#[test]
fn a_symbolic_batch_is_a_batch_of_one() {
    let symbols = [Some(Dim::DimParam("N".into())), Some(Dim::DimValue(-1)), None];
    for symbol in symbols {
        let mut model = ModelProto::decode(&lenet5_bytes()[..]).unwrap();
        let graph = model.graph.as_mut().unwrap();
        set_dim(&mut graph.input[0], 0, symbol.clone());
        set_dim(&mut graph.output[0], 0, symbol.clone());
        // As shape inference leaves it: every value has the symbol.
        let mut between = graph.input[0].clone();
        between.name = graph.node[0].output[0].clone();
        graph.value_info = vec![between];
        let mut task = Tract::default().load_bytes("symbolic", &model.encode_to_vec()).unwrap();
        assert_eq!(task.inputs()[0].shape, [1, 1, 28, 28]);
        let mut whole = Tract::default().load(&lenet5()).unwrap();
        assert_eq!(task.run(&[digit()]).unwrap(), whole.run(&[digit()]).unwrap());
    }
}

#[test]
fn another_symbolic_dimension_is_an_error() {
    let mut model = ModelProto::decode(&lenet5_bytes()[..]).unwrap();
    let graph = model.graph.as_mut().unwrap();
    set_dim(&mut graph.input[0], 2, Some(Dim::DimParam("height".into())));
    let error = Tract::default().load_bytes("symbolic", &model.encode_to_vec()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "tract cannot load model symbolic: dimension 2 of input input is \"height\", \
         expected a number: only the first may be symbolic"
    );
}

#[test]
fn an_output_that_nothing_makes_is_an_error() {
    let mut model = ModelProto::decode(&lenet5_bytes()[..]).unwrap();
    model.graph.as_mut().unwrap().output[0].name = "nowhere".into();
    let error = Tract::default().load_bytes("cut", &model.encode_to_vec()).err().unwrap();
    assert_eq!(error.to_string(), "tract cannot load model cut: output nowhere is never made");
}

#[test]
fn a_refused_input_leaves_the_task_usable() {
    let mut task = Tract::default().load(&lenet5()).unwrap();
    let first = task.run(&[digit()]).unwrap();
    let turned = Tensor::new(DType::F32, vec![1, 28, 28, 1], digit().data().clone()).unwrap();
    let error = task.run(&[turned]).unwrap_err().to_string();
    assert_eq!(error, "input input has shape [1, 28, 28, 1], expected [1, 1, 28, 28]");
    assert!(task.run(&[]).is_err());
    assert_eq!(task.run(&[digit()]).unwrap(), first);
}

/// Left to itself, tract's recurrent operators go on from the last run's state.
#[test]
fn a_recurrent_task_forgets_the_run_before() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/onnx/lstm");
    let mut task = Tract::default().load(&model).unwrap();
    let input = Tensor::from_f32(vec![4, 1, 3], &[0.5; 12]).unwrap();
    let first = task.run(std::slice::from_ref(&input)).unwrap();
    assert_eq!(task.run(&[input]).unwrap(), first);
}

#[test]
fn what_is_no_model_is_an_error() {
    let missing = Tract::default().load(Path::new("no/such.onnx")).err().unwrap();
    assert_eq!(missing.to_string(), "cannot read model no/such.onnx");
    let empty = Tract::default().load_bytes("empty", &[]).err().unwrap();
    assert_eq!(
        empty.to_string(),
        "tract cannot load model empty: no graph in it: not an ONNX model"
    );
    assert!(Tract::default().load_bytes("text", b"not a model, but text").is_err());
}

#[test]
fn damaged_models_are_errors_or_run() {
    let bytes = lenet5_bytes();
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    // The graph's structure is in the first and last bytes, weights between.
    let structure: Vec<usize> = (0..1500).chain(bytes.len() - 1500..bytes.len()).collect();
    let mut loaded = 0;
    for _ in 0..300 {
        let mut damaged = bytes.clone();
        for _ in 0..1 + random(3) {
            damaged[structure[random(structure.len())]] = random(256) as u8;
        }
        if let Ok(mut task) = Tract::default().load_bytes("damaged", &damaged) {
            loaded += 1;
            let _ = task.run(&[digit()]);
        }
    }
    assert!(loaded > 0);
}
