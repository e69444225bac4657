//! Recurrent models, unrolled, against ONNX Runtime's outputs for the models
//! as they are. `scripts/recurrent_golden.py` makes both.

use std::path::Path;

use quorate_engine::{Engine, Tract};
use quorate_model::graph::Graph;
use quorate_model::model::{Limits, Model, to_onnx};
use quorate_model::stage::{Cut, Recurrent, Staged};
use quorate_model::tensor::{Tensor, read_f32};

/// Largest difference, relative to the largest golden value of an output.
const TOLERANCE: f32 = 1e-5;

/// Name, rows of each projection, and rows of each step's products.
type Case = (&'static str, &'static [usize], &'static [usize]);

/// The hidden state has 5 elements; the first step from zeros has no product.
const CASES: &[Case] = &[
    ("lstm", &[20], &[20; 3]),
    ("lstm_plain_opset9", &[20], &[20; 3]),
    ("lstm_opset7", &[20], &[20; 3]),
    ("lstm_opset13", &[20], &[20; 4]),
    ("lstm_opset18", &[20, 20], &[20; 6]),
    ("lstm_reverse", &[20], &[20; 3]),
    ("lstm_both_states", &[20, 20], &[20; 8]),
    ("lstm_constant_h", &[20], &[20; 3]),
    ("lstm_only_c", &[20], &[20; 3]),
    ("lstm_peepholes", &[20], &[20; 3]),
    ("lstm_peepholes_both", &[20, 20], &[20; 6]),
    ("lstm_activations", &[20], &[20; 3]),
    ("lstm_one_step", &[20], &[]),
    ("lstm_layout", &[20], &[20; 4]),
    ("lstm_layout_both", &[20, 20], &[20; 8]),
    ("gru", &[15], &[10, 5, 10, 5, 10, 5]),
    ("gru_plain_opset9", &[15], &[10, 5, 10, 5, 10, 5, 10, 5]),
    // The first product is known, but for that of the reset state.
    ("gru_constant_h", &[15], &[5, 10, 5, 10, 5, 10, 5]),
    ("gru_both", &[15, 15], &[10, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10, 5]),
    ("gru_layout", &[15], &[10, 5, 10, 5, 10, 5]),
    ("gru_linear", &[15], &[15; 3]),
    ("gru_linear_plain_opset9", &[15], &[15; 3]),
    ("gru_linear_opset9", &[15], &[15; 4]),
    ("gru_linear_both", &[15, 15], &[15; 6]),
    ("gru_activations", &[15], &[10, 5, 10, 5, 10, 5]),
    ("rnn", &[5], &[5; 3]),
    ("rnn_plain_opset9", &[5], &[5; 3]),
    ("rnn_relu", &[5], &[5; 3]),
    ("rnn_both", &[5, 5], &[5; 8]),
    ("stack", &[20, 20, 15], &[20, 20, 20, 20, 20, 20, 15, 15, 15]),
];

fn golden(file: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/recurrent");
    std::fs::read(folder.join(file)).unwrap()
}

fn read(bytes: Vec<u8>) -> Model {
    Model::read(bytes.into(), &Limits::default()).unwrap()
}

/// The values of `names`, taken off the front of `values`.
fn take(graph: &Graph, names: &[String], values: &mut Vec<f32>) -> Vec<Tensor> {
    let mut tensor = |name: &String| {
        let shape = graph.types[name].shape.clone();
        let rest = values.split_off(shape.iter().product());
        Tensor::from_f32(shape, &std::mem::replace(values, rest)).unwrap()
    };
    names.iter().map(&mut tensor).collect()
}

fn by_step(model: Model) -> Staged {
    let cut = Cut { recurrent: Recurrent::Step, ..Cut::default() };
    Staged::cut(std::sync::Arc::new(model), &cut).unwrap()
}

/// Projections and steps are layers with these rows.
fn check_layers(name: &str, staged: &Staged, projections: &[usize], steps: &[usize]) {
    let rows = |node: &String| {
        let stage = staged.stages.iter().find(|s| s.name == *node);
        let stage = stage.unwrap_or_else(|| panic!("{name}: {node} is no layer"));
        assert!(!stage.reads.is_empty(), "{name}: {node} reads nothing");
        stage.layer().unwrap().rows
    };
    let cells = &staged.model.graph.cells;
    let got: Vec<usize> = cells.iter().flat_map(|c| &c.projections).map(rows).collect();
    assert_eq!(got, projections, "{name}");
    let got: Vec<usize> = cells.iter().flat_map(|c| &c.steps).map(rows).collect();
    assert_eq!(got, steps, "{name}");
    let named = got.len() + projections.len();
    let others = usize::from(name == "stack");
    assert_eq!(staged.stages.len(), named + others, "{name}");
    assert_eq!(staged.unsplit, [], "{name}");
}

#[test]
fn unrolled_models_answer_as_before() {
    for &(name, projections, steps) in CASES {
        let model = read(golden(&format!("{name}.onnx")));
        let recurrent = |op: &str| matches!(op, "LSTM" | "GRU" | "RNN");
        assert!(!model.graph.nodes.iter().any(|n| recurrent(&n.op)), "{name}");
        let bytes = to_onnx(&model, &[]).unwrap();
        // Reading holds the types that were written against those that follow,
        // and computes what is constant now.
        let again = read(bytes.clone());
        let once_more = read(to_onnx(&again, &[]).unwrap());
        assert_eq!(once_more.graph.nodes, again.graph.nodes, "{name}");

        let mut values = read_f32(&golden(&format!("{name}.f32")));
        let inputs = take(&model.graph, &model.graph.inputs, &mut values);
        let expected = take(&model.graph, &model.graph.outputs, &mut values);
        assert!(values.is_empty(), "{name}");
        let mut task = Tract::default().load_bytes(name, &bytes).unwrap();
        let got = task.run(&inputs).unwrap();
        for ((output, got), expected) in model.graph.outputs.iter().zip(&got).zip(&expected) {
            assert_eq!(got.shape(), expected.shape(), "{name}: {output}");
            let (got, expected) = (got.to_f32().unwrap(), expected.to_f32().unwrap());
            let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            for (n, (got, golden)) in got.iter().zip(&expected).enumerate() {
                let apart = (got - golden).abs() / largest;
                // Written so that a NaN fails.
                let near = apart <= TOLERANCE;
                assert!(near, "{name}: {output} {n} is {got}, golden {golden}, {apart} apart");
            }
        }
        check_layers(name, &by_step(model), projections, steps);
    }
}

#[test]
fn inner_values_can_be_outputs() {
    let model = read(golden("lstm.onnx"));
    let inner = model.graph.cells[0].projections.clone();
    let mut task = Tract::default().load_bytes("lstm", &to_onnx(&model, &inner).unwrap()).unwrap();
    assert_eq!(task.outputs().last().unwrap().shape, [8, 20]);
    let mut values = read_f32(&golden("lstm.f32"));
    let inputs = take(&model.graph, &model.graph.inputs, &mut values);
    let projected = task.run(&inputs).unwrap().pop().unwrap();
    assert!(projected.to_f32().unwrap().iter().any(|&v| v != 0.0));
    let error = to_onnx(&model, &["nowhere".to_owned()]).unwrap_err().to_string();
    assert_eq!(error, "the graph's output reads value nowhere, which nothing makes");
}
