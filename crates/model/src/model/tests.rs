use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;

use super::{Limits, Model, ModelError, ReadOptions, to_onnx};
use crate::onnx::{
    AttributeProto, TensorProto, ValueInfoProto, attribute_proto::AttributeType, external_tensor,
    inline_tensor, int_attribute, tensor_shape_proto::dimension, type_proto,
};
use crate::pack::{TaskSpec, Work, lay_out};
use crate::part::Part;
use crate::sample::{LENET, Sample};
use crate::stage::Staged;
use crate::tensor::{DType, Tensor};

fn mlp() -> Sample {
    Sample::new(&[("x", &[1, 4])], &["y"])
        .counting("w", &[4, 3])
        .node("MatMul", &["x", "w"], &["h"], &[])
        .node("Relu", &["h"], &["y"], &[])
}

#[test]
fn lenet() {
    let bytes = Bytes::from_static(LENET);
    let model = Model::read(bytes.clone(), &Limits::default()).unwrap();
    assert_eq!(model.graph.nodes.len(), 12);
    assert_eq!(model.graph.types["logits"].shape, [1, 10]);
    let weight = model.graph.initializers["fc1.weight"].data();
    let (start, end) = (bytes.as_ptr() as usize, bytes.as_ptr() as usize + bytes.len());
    let at = weight.as_ptr() as usize;
    assert!(start <= at && at < end, "weights are shared, not copied");
}

/// Names an input's dimension instead of giving its length.
fn open(sample: &mut Sample, dim: usize) {
    let kind = sample.graph().input[0].r#type.as_mut().and_then(|t| t.value.as_mut());
    let Some(type_proto::Value::TensorType(tensor)) = kind else { panic!("no tensor") };
    let dims = &mut tensor.shape.as_mut().unwrap().dim;
    dims[dim].value = Some(dimension::Value::DimParam("n".to_owned()));
}

#[test]
fn open_shapes() {
    let mut sample = mlp();
    open(&mut sample, 0);
    assert_eq!(sample.read().unwrap().graph.types["y"].shape, [1, 3]);
    let with = |shape: &[usize]| {
        let input_shapes = BTreeMap::from([("x".to_owned(), shape.to_vec())]);
        ReadOptions { input_shapes, ..ReadOptions::default() }
    };
    let batch = Model::read_with(sample.bytes(), &with(&[5, 4])).unwrap();
    assert_eq!(batch.graph.types["y"].shape, [5, 3]);
    let wrong = Model::read_with(sample.bytes(), &with(&[5, 6])).unwrap_err();
    assert_eq!(wrong.to_string(), "shape [5, 6] given for input x does not fit [?, 4]");
    open(&mut sample, 1);
    let error = sample.read().unwrap_err();
    assert_eq!(error.to_string(), "input x has the open shape [n, n]: give it with --shape x=1,n");
    assert!(Model::read_with(sample.bytes(), &with(&[2, 4])).is_ok());
}

#[test]
fn refusals() {
    let relu = |s: Sample| s.node("Relu", &["x"], &["y"], &[]);
    let new = || Sample::new(&[("x", &[1, 4])], &["y"]);
    let raw = |name: &str, dtype: i32, dims: &[i64], bytes: &'static [u8]| TensorProto {
        name: Some(name.into()),
        data_type: Some(dtype),
        dims: dims.to_vec(),
        raw_data: Some(Bytes::from_static(bytes)),
        ..Default::default()
    };
    let cases: Vec<(Sample, &str)> = vec![
        (relu(new()).opset(5), "model uses opset 5, supported are 6 to"),
        (relu(new()).opset(99), "model uses opset 99"),
        (new(), "the graph's output reads value y, which nothing makes"),
        (new().node("Relu", &["q"], &["y"], &[]), "node relu_0 reads value q, which nothing makes"),
        (new().node("Add", &["x", "y"], &["y"], &[]), "depend on each other"),
        (relu(relu(new())), "value y is defined more than once"),
        (relu(new()).declare("y", &[1, 5]), "value y is declared f32 [1, 5], but is f32 [1, 4]"),
        (new().node("Foo", &["x"], &["y"], &[]), "node foo_0: operator Foo is not known"),
        (relu(new()).initializer(raw("w", 1, &[2], &[0; 7])), "has 7 bytes, needs 8"),
        (
            relu(new()).initializer(raw("w", 20, &[1], &[0; 2])),
            "element type float8e5m2fnuz is not supported",
        ),
        (relu(new()).initializer(raw("w", 1, &[-1], &[])), "dimension -1"),
        (relu(new()).initializer(raw("w", 1, &[1 << 62, 4], &[])), "beyond the limits"),
        (relu(new()).initializer(raw("w", 1, &[0, 1 << 62], &[])), "beyond the limits"),
        (relu(new()).initializer(raw("", 1, &[1], &[0; 4])), "defined more than once"),
        (
            relu(new()).initializer(external_tensor("w", DType::F32, &[1], "w.bin", 0, 4)),
            "initializer w lies in the file w.bin, which was not given",
        ),
        (
            relu(new()).initializer(external_tensor("w", DType::F32, &[1], "../w.bin", 0, 4)),
            "not beside the model",
        ),
        (
            relu(new()).initializer(external_tensor("w", DType::F32, &[1], "/etc/w", 0, 4)),
            "not beside the model",
        ),
        (
            relu(new()).initializer(external_tensor("w", DType::F32, &[1], "w", 0, 5)),
            "external data has 5 bytes, shape needs 4",
        ),
        (new().node("Constant", &[], &["y"], &[]), "one output and one attribute"),
        (
            new().node("Relu", &["x"], &["y"], &[int_attribute("a", 1), int_attribute("a", 2)]),
            "attributes given twice are not supported (node relu_0)",
        ),
    ];
    for (sample, message) in cases {
        let error = sample.read().unwrap_err().to_string();
        assert!(error.contains(message), "{error}\nexpected: {message}");
    }
    let limits = Limits { model_bytes: 10, ..Limits::default() };
    let large = Model::read(mlp().bytes(), &limits).unwrap_err();
    assert!(matches!(large, ModelError::TooLarge { limit: 10, .. }));
    let limits = Limits { nodes: 1, ..Limits::default() };
    let many = Model::read(mlp().bytes(), &limits).unwrap_err();
    assert_eq!(many.to_string(), "model has 2 nodes, limit 1");
}

#[test]
fn unknown_operators_need_declared_shapes() {
    let sample = mlp().node("Foo", &["y"], &["z"], &[]).declare("z", &[2, 2]);
    let mut sample = sample.node("Relu", &["z"], &["o"], &[]);
    sample.graph().output[0].name = Some("o".to_owned());
    assert_eq!(sample.read().unwrap().graph.types["o"].shape, [2, 2]);
}

#[test]
fn typed_fields() {
    let tensor = |dtype: DType| TensorProto {
        name: Some("w".into()),
        data_type: Some(dtype.onnx()),
        dims: vec![2],
        ..Default::default()
    };
    let ints = |dtype, values: &[i32]| TensorProto { int32_data: values.to_vec(), ..tensor(dtype) };
    let cases: Vec<(TensorProto, Option<Vec<u8>>)> = vec![
        (
            TensorProto { float_data: vec![1.0, -2.0], ..tensor(DType::F32) },
            Some([1f32.to_le_bytes(), (-2f32).to_le_bytes()].concat()),
        ),
        (
            TensorProto { int64_data: vec![1, -2], ..tensor(DType::I64) },
            Some([1i64.to_le_bytes(), (-2i64).to_le_bytes()].concat()),
        ),
        (
            TensorProto { uint64_data: vec![1, u64::MAX], ..tensor(DType::U64) },
            Some([1u64.to_le_bytes(), [0xff; 8]].concat()),
        ),
        (
            TensorProto { uint64_data: vec![1, 1 << 31], ..tensor(DType::U32) },
            Some([1u32.to_le_bytes(), [0, 0, 0, 0x80]].concat()),
        ),
        (TensorProto { uint64_data: vec![1, 1 << 32], ..tensor(DType::U32) }, None),
        (ints(DType::U16, &[1, 65_535]), Some(vec![1, 0, 255, 255])),
        (ints(DType::U16, &[1, 65_536]), None),
        (ints(DType::I8, &[1, -2]), Some(vec![1, 254])),
        (ints(DType::U8, &[1, 255]), Some(vec![1, 255])),
        (ints(DType::U8, &[1, -2]), None),
        (ints(DType::I8, &[1, 128]), None),
        (ints(DType::F16, &[0x3c00, 0]), Some([1f32.to_le_bytes(), [0; 4]].concat())),
        (ints(DType::Bool, &[0, 7]), Some(vec![0, 1])),
        (ints(DType::I32, &[1]), None),
    ];
    for (proto, expected) in cases {
        let sample = Sample::new(&[("x", &[2])], &["y", "w"]).initializer(proto).node(
            "Relu",
            &["x"],
            &["y"],
            &[],
        );
        let got = sample.read().ok().map(|m| m.graph.initializers["w"].data().to_vec());
        assert_eq!(got, expected);
    }
}

#[test]
fn external_data() {
    let sample = Sample::new(&[("x", &[1, 2])], &["y"])
        .initializer(external_tensor("w", DType::F32, &[2, 1], "w.bin", 64, 8))
        .node("MatMul", &["x", "w"], &["y"], &[]);
    let mut asked = Vec::new();
    let mut resolve = |location: &str, offset: u64, length: u64| {
        asked.push((location.to_owned(), offset, length));
        Ok(Bytes::from_static(&[0; 8]))
    };
    Model::read_external(sample.bytes(), &ReadOptions::default(), &mut resolve).unwrap();
    assert_eq!(asked, [("w.bin".to_owned(), 64, 8)]);
    let mut fail = |_: &str, _: u64, _: u64| Err(io::Error::other("gone"));
    let error = Model::read_external(sample.bytes(), &ReadOptions::default(), &mut fail);
    assert_eq!(error.unwrap_err().to_string(), "initializer w: reading w.bin: gone");
}

#[test]
fn constants_are_folded() {
    // What exporters write for a flatten that keeps the batch.
    let mut sample = Sample::new(&[("x", &[2, 3, 4])], &["y"])
        .tensor("zero", Tensor::from_i64(vec![], &[0]).unwrap())
        .ints("axes", &[0])
        .ints("rest", &[-1])
        .node("Shape", &["x"], &["s"], &[])
        .node("Gather", &["s", "zero"], &["n"], &[])
        .node("Unsqueeze", &["n", "axes"], &["n1"], &[])
        .node("Concat", &["n1", "rest"], &["shape"], &[int_attribute("axis", 0)])
        .node("Reshape", &["x", "shape"], &["y"], &[]);
    let model = sample.read().unwrap();
    assert_eq!(model.graph.nodes.len(), 1);
    let shape = &model.graph.nodes[0].inputs[1];
    assert_eq!(model.graph.initializers[shape].to_i64().unwrap(), [2, 12]);
    assert_eq!(model.graph.types["y"].shape, [2, 12]);
    assert!(!model.graph.types.contains_key("s"), "values that nothing reads are dropped");

    sample = Sample::new(&[("x", &[1, 2])], &["y"])
        .tensor(
            "q",
            Tensor::new(DType::U8, vec![2, 2], Bytes::from_static(&[0, 10, 20, 255])).unwrap(),
        )
        .tensor("scale", Tensor::from_f32(vec![2], &[0.5, 2.0]).unwrap())
        .tensor("zero", Tensor::new(DType::U8, vec![2], Bytes::from_static(&[0, 10])).unwrap())
        .node("DequantizeLinear", &["q", "scale", "zero"], &["w"], &[int_attribute("axis", 1)])
        .node("MatMul", &["x", "w"], &["y"], &[]);
    let model = sample.read().unwrap();
    assert_eq!(model.graph.initializers["w"].to_f32().unwrap(), [0.0, 0.0, 10.0, 490.0]);

    // Too large to be computed at once, but small enough to be cut.
    let large = Tensor::new(DType::I8, vec![2, 4096], vec![3; 8192].into()).unwrap();
    sample = Sample::new(&[("x", &[1, 2])], &["y"])
        .tensor("q", large)
        .tensor("scale", Tensor::from_f32(vec![], &[0.5]).unwrap())
        .ints("start", &[4090])
        .ints("end", &[4096])
        .ints("axis", &[1])
        .node("DequantizeLinear", &["q", "scale"], &["d"], &[])
        .node("Slice", &["d", "start", "end", "axis"], &["w"], &[])
        .node("Shape", &["d"], &["s"], &[])
        .node("MatMul", &["x", "w"], &["y"], &[]);
    let named = ValueInfoProto { name: Some("s".to_owned()), ..Default::default() };
    sample.graph().output.push(named);
    let model = sample.read().unwrap();
    assert_eq!(model.graph.nodes.len(), 1);
    assert_eq!(model.graph.initializers["w"].to_f32().unwrap(), [1.5; 12]);
    assert_eq!(model.graph.initializers["s"].to_i64().unwrap(), [2, 4096]);
}

/// What exporters write for the initial state of a recurrent node.
#[test]
fn repeated_constants_are_folded() {
    let seven = AttributeProto {
        name: Some("value".to_owned()),
        t: Some(inline_tensor("", DType::F32, &[1], Bytes::copy_from_slice(&7f32.to_le_bytes()))),
        r#type: Some(AttributeType::Tensor as i32),
        ..Default::default()
    };
    let sample = |attributes: &[AttributeProto]| {
        Sample::new(&[("x", &[2, 3, 2])], &["y", "filled", "wide"])
            .counting("column", &[3, 1])
            .node("Shape", &["x"], &["s"], &[])
            .node("ConstantOfShape", &["s"], &["filled"], attributes)
            .node("Expand", &["column", "s"], &["wide"], &[])
            .node("Relu", &["x"], &["y"], &[])
    };
    let model = sample(std::slice::from_ref(&seven)).read().unwrap();
    assert_eq!(model.graph.nodes.len(), 1);
    assert_eq!(model.graph.types["filled"].shape, [2, 3, 2]);
    assert_eq!(model.graph.initializers["filled"].to_f32().unwrap(), [7.0; 12]);
    let wide = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0].repeat(2);
    assert_eq!(model.graph.initializers["wide"].to_f32().unwrap(), wide);
    let zeros = sample(&[]).read().unwrap();
    assert_eq!(zeros.graph.initializers["filled"].to_f32().unwrap(), [0.0; 12]);
    let mut broken = seven;
    broken.t.as_mut().unwrap().raw_data = Some(Bytes::from_static(&[0; 8]));
    let error = sample(&[broken]).read().unwrap_err().to_string();
    assert!(error.contains("attribute value is another tensor"), "{error}");
}

#[test]
fn written_and_read_again() {
    let constant = Sample::new(&[("x", &[1, 4])], &["y", "c"])
        .counting("c", &[2])
        .node("Relu", &["x"], &["h"], &[])
        .node("Neg", &["h"], &["y"], &[]);
    let lenet = Model::read(Bytes::from_static(LENET), &Limits::default()).unwrap();
    for model in [lenet, constant.read().unwrap()] {
        let inner = model.graph.nodes[0].outputs.clone();
        let bytes = to_onnx(&model, &inner).unwrap();
        let again = Model::read(bytes.into(), &Limits::default()).unwrap();
        assert_eq!(again.graph.nodes, model.graph.nodes);
        assert_eq!(again.graph.inputs, model.graph.inputs);
        assert_eq!(again.graph.outputs, [model.graph.outputs.clone(), inner].concat());
        for (name, tensor) in &model.graph.initializers {
            assert_eq!(again.graph.initializers[name], *tensor, "{name}");
        }
    }
}

#[test]
fn damaged_files_are_errors() {
    for end in (0..LENET.len()).step_by(997).chain(0..64) {
        // A shorter file may still be whole: protobuf has no end mark.
        let _ = Model::read(Bytes::from_static(&LENET[..end]), &Limits::default()).map(Staged::new);
    }
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    // The weights are most of the file, and harmless: change what is around.
    let mut places: Vec<usize> = Vec::new();
    let plain = |b: &u8| b.is_ascii_graphic() || *b < 32;
    for (i, window) in LENET.windows(4).enumerate() {
        if window.iter().all(plain) {
            places.push(i);
        }
    }
    for _ in 0..600 {
        let mut bytes = LENET.to_vec();
        for _ in 0..=random(4) {
            let at = match random(3) {
                0 => random(bytes.len()),
                _ => places[random(places.len())].min(bytes.len() - 1),
            };
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes[at] ^= 1 << random(8),
                2 => drop(bytes.drain(at..bytes.len().min(at + 1 + random(16)))),
                _ => bytes.insert(at, random(256) as u8),
            }
        }
        let Ok(model) = Model::read(bytes.into(), &Limits::default()) else { continue };
        let Ok(staged) = Staged::new(model) else { continue };
        let task = |stage: usize| TaskSpec {
            name: stage.to_string(),
            work: Work::Stage { stage, part: Part::whole(), cut: false },
        };
        let tasks: Vec<TaskSpec> = (0..staged.stages.len()).map(task).collect();
        let Ok(layout) = lay_out(&staged, &tasks, "w") else { continue };
        layout.write_weights(&mut io::sink(), &mut |_| {}).unwrap();
        (0..tasks.len()).for_each(|i| drop(layout.task_onnx(i)));
    }
}
