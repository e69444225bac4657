use bytes::Bytes;

use crate::model::{Limits, Model};
use crate::onnx::{AttributeProto, attribute_proto::AttributeType, int_attribute, value_info};
use crate::sample::Sample;
use crate::stage::{Cut, Recurrent, StageError, Staged};
use crate::tensor::{DType, Tensor};
use std::sync::Arc;

fn texts(name: &str, values: &[&'static str]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Strings as i32),
        strings: values.iter().map(|v| Bytes::from_static(v.as_bytes())).collect(),
        ..Default::default()
    }
}

fn both() -> AttributeProto {
    AttributeProto {
        name: Some("direction".to_owned()),
        r#type: Some(AttributeType::String as i32),
        s: Some(Bytes::from_static(b"bidirectional")),
        ..Default::default()
    }
}

/// `steps` steps of 2 sequences of 3 elements into a state of 4.
fn sample(op: &str, steps: usize, more: &[&str], attributes: &[AttributeProto]) -> Sample {
    let gates = match op {
        "LSTM" => 4,
        "GRU" => 3,
        _ => 1,
    };
    let directions = 1 + usize::from(attributes.contains(&both()));
    let inputs = [&["x", "w", "r"], more].concat();
    Sample::new(&[("x", &[steps, 2, 3]), ("free", &[directions, 2, 4])], &["y", "y_h"])
        .counting("w", &[directions, gates * 4, 3])
        .counting("r", &[directions, gates * 4, 4])
        .counting("b", &[directions, 2 * gates * 4])
        .node(op, &inputs, &["y", "y_h"], attributes)
}

/// Cut at every step's product.
fn by_step(model: Model) -> Result<Staged, StageError> {
    let cut = Cut { recurrent: Recurrent::Step, ..Cut::default() };
    Staged::cut(Arc::new(model), &cut)
}

/// By default a cell is a stage of its own behind its projection, without a
/// layer to divide.
#[test]
fn cells_are_stages() {
    for (op, outputs) in [("LSTM", 2), ("GRU", 2), ("RNN", 2)] {
        let staged = Staged::new(sample(op, 3, &["b"], &[]).read().unwrap()).unwrap();
        let divided: Vec<bool> = staged.stages.iter().map(|s| s.layer().is_some()).collect();
        assert_eq!(divided, [vec![true], vec![false; outputs]].concat(), "{op}");
        let projected = [staged.stages[0].value];
        assert!(staged.stages[1..].iter().all(|stage| stage.reads == projected), "{op}");
    }
}

#[test]
fn names_and_weights() {
    let mut sample = sample("LSTM", 3, &["b"], &[both()]);
    sample.graph().node[0].name = Some("/rnn".to_owned());
    let bytes = sample.bytes();
    let model = Model::read(bytes.clone(), &Limits::default()).unwrap();
    let [cell] = model.graph.cells.as_slice() else { panic!("one cell") };
    assert_eq!((cell.name.as_str(), cell.op.as_str()), ("/rnn", "LSTM"));
    assert_eq!(cell.projections, ["/rnn/forward/input", "/rnn/backward/input"]);
    let steps = [
        "/rnn/forward/step_1",
        "/rnn/forward/step_2",
        "/rnn/backward/step_1",
        "/rnn/backward/step_2",
    ];
    assert_eq!(cell.steps, steps);
    assert_eq!(cell.outputs, ["y", "y_h"]);
    assert_eq!(model.graph.types["y"].shape, [3, 2, 2, 4]);
    assert!(!model.graph.initializers.contains_key("w"), "nothing reads the whole any more");

    let staged = by_step(model).unwrap();
    let layer = |name: &str| {
        let stage = staged.stages.iter().find(|s| s.name == name).unwrap();
        stage.layer().unwrap()
    };
    assert_eq!(layer(steps[0]).weight, layer(steps[1]).weight);
    let place = bytes.as_ptr_range();
    for name in [steps[0], steps[2], "/rnn/forward/input", "/rnn/backward/input"] {
        let weight = &staged.model.graph.initializers[&layer(name).weight];
        assert!(place.contains(&weight.data().as_ptr()), "{name}: weights are copied");
    }
    let backward = &staged.model.graph.initializers[&layer(steps[2]).weight];
    assert_eq!((backward.shape(), backward.to_f32().unwrap()[0]), (&[16, 4][..], 64.0));
}

#[test]
fn names_that_are_taken() {
    let relu = |s: Sample| s.node("Relu", &["y"], &["rnn_0/step_1"], &[]);
    let mut sample = relu(sample("RNN", 3, &[], &[])).counting("rnn_0/input", &[1]);
    let add = Sample::node(sample, "Add", &["rnn_0/input", "rnn_0/step_1"], &["z"], &[]);
    sample = add;
    sample.graph().output[0] = value_info("z", DType::F32, &[3, 1, 2, 4]);
    let model = sample.read().unwrap();
    let cell = &model.graph.cells[0];
    assert_eq!(cell.projections, ["rnn_0/input_"]);
    assert_eq!(cell.steps, ["rnn_0/step_1_", "rnn_0/step_2"]);
}

#[test]
fn cells_name_what_is_left() {
    let mut sample = sample("LSTM", 3, &[], &[]);
    sample.graph().output.remove(0);
    let model = sample.read().unwrap();
    assert_eq!(model.graph.cells[0].outputs, ["y_h"]);
    assert!(!model.graph.types.contains_key("y"));
    sample.graph().output[0] = value_info("x", DType::F32, &[3, 2, 3]);
    assert_eq!(sample.read().unwrap().graph.cells, []);
}

/// States and biases decide which nodes are needed.
#[test]
fn steps() {
    let after = || int_attribute("linear_before_reset", 1);
    let zeros = |s: Sample| s.tensor("h", Tensor::from_f32(vec![1, 2, 4], &[0.0; 8]).unwrap());
    let cases = [
        (sample("LSTM", 3, &[], &[]), 2),
        (zeros(sample("LSTM", 3, &["b", "", "h"], &[])), 2),
        (sample("LSTM", 3, &["b", "", "free"], &[]), 3),
        (sample("LSTM", 3, &["b", "", "", "free"], &[]), 2),
        (sample("RNN", 3, &["b", "", "free"], &[]).opset(7), 3),
        (sample("RNN", 1, &["b"], &[]), 0),
        (sample("GRU", 3, &["b"], &[]), 4),
        (sample("GRU", 3, &["b", "", "free"], &[]), 6),
        (sample("GRU", 3, &["b"], &[after()]), 2),
        (sample("GRU", 3, &["", "", "free"], &[after()]).opset(9), 3),
        (sample("GRU", 3, &["b", "", "free"], &[after(), both()]), 6),
        (sample("LSTM", 3, &[], &[texts("activations", &["relu", "Tanh", "Sigmoid"])]), 2),
        (
            // Lengths that say nothing new.
            sample("RNN", 3, &["", "n"], &[]).tensor(
                "n",
                Tensor::new(DType::I32, vec![2], Bytes::from_static(&[3, 0, 0, 0, 3, 0, 0, 0]))
                    .unwrap(),
            ),
            2,
        ),
    ];
    for (n, (sample, steps)) in cases.into_iter().enumerate() {
        let staged = by_step(sample.read().unwrap()).unwrap();
        let cell = &staged.model.graph.cells[0];
        assert_eq!(cell.steps.len(), steps, "case {n}");
        assert_eq!(staged.stages.len(), steps + cell.projections.len(), "case {n}");
        assert_eq!(staged.unsplit, [], "case {n}");
    }
}

#[test]
fn what_is_not_unrolled() {
    let lengths = |data: &'static [u8]| {
        let tensor = Tensor::new(DType::I32, vec![2], Bytes::from_static(data)).unwrap();
        sample("LSTM", 3, &["b", "n"], &[]).tensor("n", tensor)
    };
    let lstm = |attribute| sample("LSTM", 3, &["b"], &[attribute]);
    let mut open = sample("LSTM", 3, &["b"], &[]);
    open.graph().initializer.remove(1);
    open.graph().input.push(value_info("r", DType::F32, &[1, 16, 4]));
    let mut constant = sample("LSTM", 3, &["b"], &[]).counting("k", &[3, 2, 3]);
    constant.graph().node[0].input[0] = "k".to_owned();
    let state = sample("LSTM", 3, &["", "", "h"], &[]).counting("k", &[1, 2, 4]).node(
        "Erf",
        &["k"],
        &["h"],
        &[],
    );
    let cases = [
        (open, "weights r are not constant"),
        (sample("LSTM", 3, &["free_b"], &[]), "biases free_b are not constant"),
        (lengths(&[3, 0, 0, 0, 2, 0, 0, 0]), "a sequence has length 2 of 3"),
        (lstm(texts("activations", &["Sigmoid", "Cosh", "Tanh"])), "activation Cosh is not known"),
        (
            lstm(texts("activations", &["Sigmoid", "Affine", "Tanh"])),
            "activation Affine lacks a number",
        ),
        (lstm(texts("activations", &["Sigmoid"])), "it has 1 activations, needs 3"),
        (sample("RNN", 4097, &[], &[]), "it would be 4097 steps, and 4096 of 4096"),
        (constant, "its sequence depends on no input"),
        (state, "initial state h depends on no input, but is no constant"),
    ];
    for (sample, why) in cases {
        let mut sample = match why.contains("free_b") {
            true => {
                sample.node("Erf", &["free_b0"], &["free_b"], &[]).counting("free_b0", &[1, 32])
            }
            false => sample,
        };
        sample.graph().node[0].name = Some("rec".to_owned());
        let mut model = sample.read().unwrap();
        assert_eq!(model.graph.cells, [], "{why}");
        assert!(model.graph.unlowered["rec"].starts_with(why), "{:?}", model.graph.unlowered);
        let error = Staged::new(model.clone()).unwrap_err().to_string();
        assert!(error.contains(&format!(" rec: {why}")), "{error}");
        model.graph.outputs = vec!["x".to_owned()];
        model.graph.prune();
        assert!(model.graph.unlowered.is_empty());
    }
}

/// The steps of all recurrent nodes are counted together.
#[test]
fn steps_of_a_model() {
    let two = sample("RNN", 2049, &[], &[]).node("RNN", &["x", "w", "r"], &["z"], &[]).node(
        "RNN",
        &["x", "w", "r"],
        &["", "last"],
        &[],
    );
    let mut two = two;
    two.graph().output.push(value_info("z", DType::F32, &[2049, 1, 2, 4]));
    let model = two.read().unwrap();
    assert_eq!(model.graph.cells.len(), 1);
    let why = "it would be 2049 steps, and 2047 of 4096 that a model may have are left";
    assert_eq!(model.graph.unlowered["rnn_1"], why);
}

#[test]
fn damaged_files_are_errors() {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let lstm = sample("LSTM", 3, &["b", "", "free"], &[both()]);
    let gru = sample("GRU", 3, &["b"], &[int_attribute("linear_before_reset", 1)]);
    let mut unrolled = 0;
    for whole in [lstm.bytes(), gru.bytes()] {
        // The weights are most of the file, and harmless: change what is around.
        let plain = |w: &[u8]| w.iter().all(|b| b.is_ascii_graphic() || *b < 32);
        let places: Vec<usize> =
            (0..whole.len() - 4).filter(|&i| plain(&whole[i..i + 4])).collect();
        for _ in 0..2000 {
            let mut bytes = whole.to_vec();
            for _ in 0..=random(3) {
                let value = random(256) as u8;
                bytes[places[random(places.len())]] = value;
            }
            let Ok(model) = Model::read(bytes.into(), &Limits::default()) else { continue };
            unrolled += model.graph.cells.len();
            let _ = by_step(model);
        }
    }
    assert!(unrolled > 0);
}
