use crate::onnx::{AttributeProto, int_attribute, ints_attribute};
use crate::sample::Sample;

use super::elementwise::broadcast;
use super::typed_node::resolve_axis;

fn text_attribute(name: &str, value: &'static str) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(crate::onnx::attribute_proto::AttributeType::String as i32),
        s: Some(bytes::Bytes::from_static(value.as_bytes())),
        ..Default::default()
    }
}

/// Operator, constant inputs after x, attributes, and the output's shape or
/// part of the error.
type Case = (&'static str, Vec<Constant>, Vec<AttributeProto>, Result<Vec<usize>, &'static str>);

enum Constant {
    Floats(Vec<usize>),
    Ints(Vec<i64>),
}
use Constant::{Floats, Ints};

fn check(x: &[usize], cases: Vec<Case>) {
    for (op, constants, attributes, expected) in cases {
        let mut sample = Sample::new(&[("x", x)], &["y"]);
        let names: Vec<String> = (0..constants.len()).map(|i| format!("c{i}")).collect();
        for (name, constant) in names.iter().zip(&constants) {
            sample = match constant {
                Floats(shape) => sample.counting(name, shape),
                Ints(values) => sample.ints(name, values),
            };
        }
        let mut inputs = vec!["x"];
        inputs.extend(names.iter().map(String::as_str));
        let sample = sample.node(op, &inputs, &["y"], &attributes);
        match (sample.read(), expected) {
            (Ok(model), Ok(shape)) => assert_eq!(model.graph.types["y"].shape, shape, "{op}"),
            (Err(error), Err(part)) => {
                let error = error.to_string();
                assert!(error.contains(part), "{op}: {error}");
            }
            (got, expected) => panic!("{op}: {got:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn windows() {
    let ints = ints_attribute;
    let w = || vec![Floats(vec![5, 3, 3, 3])];
    check(
        &[1, 3, 9, 10],
        vec![
            ("Conv", w(), vec![], Ok(vec![1, 5, 7, 8])),
            ("Conv", w(), vec![ints("pads", &[1, 2, 3, 4])], Ok(vec![1, 5, 11, 14])),
            ("Conv", w(), vec![ints("strides", &[2, 3])], Ok(vec![1, 5, 4, 3])),
            ("Conv", w(), vec![ints("dilations", &[4, 1])], Ok(vec![1, 5, 1, 8])),
            ("Conv", w(), vec![ints("dilations", &[5, 1])], Err("window of 11 does not fit in 9")),
            ("Conv", w(), vec![ints("strides", &[0, 1])], Err("attribute strides is [0, 1]")),
            ("Conv", w(), vec![ints("pads", &[-1, 0, 0, 0])], Err("attribute pads")),
            ("Conv", w(), vec![ints("pads", &[i64::MAX, 0, 0, 0])], Err("attribute pads")),
            ("Conv", w(), vec![int_attribute("group", 3)], Err("do not fit together")),
            ("Conv", w(), vec![int_attribute("group", 0)], Err("do not fit together")),
            (
                "Conv",
                w(),
                vec![text_attribute("auto_pad", "SAME_UPPER"), ints("strides", &[2, 2])],
                Ok(vec![1, 5, 5, 5]),
            ),
            ("Conv", w(), vec![text_attribute("auto_pad", "FULL")], Err("auto_pad is FULL")),
            ("Conv", w(), vec![int_attribute("strides", 1)], Err("expected a list of integers")),
            ("MaxPool", vec![], vec![ints("kernel_shape", &[2, 2])], Ok(vec![1, 3, 8, 9])),
            ("MaxPool", vec![], vec![], Err("input 0 has shape")),
            (
                "MaxPool",
                vec![],
                vec![
                    ints("kernel_shape", &[3, 3]),
                    ints("strides", &[2, 2]),
                    int_attribute("ceil_mode", 1),
                ],
                Ok(vec![1, 3, 4, 5]),
            ),
            (
                // The fourth window would start beyond the input's 9 rows.
                "AveragePool",
                vec![],
                vec![
                    ints("kernel_shape", &[2, 2]),
                    ints("strides", &[3, 3]),
                    int_attribute("ceil_mode", 1),
                ],
                Ok(vec![1, 3, 3, 4]),
            ),
            ("GlobalAveragePool", vec![], vec![], Ok(vec![1, 3, 1, 1])),
        ],
    );
}

#[test]
fn layouts() {
    let (int, ints) = (int_attribute, ints_attribute);
    let list = |v: &[i64]| Ints(v.to_vec());
    check(
        &[2, 3, 4],
        vec![
            ("Reshape", vec![list(&[0, -1])], vec![], Ok(vec![2, 12])),
            ("Reshape", vec![list(&[-1, -1])], vec![], Err("expected a shape")),
            ("Reshape", vec![list(&[5, -1])], vec![], Err("expected a shape")),
            ("Reshape", vec![list(&[i64::MAX, 4])], vec![], Err("expected a shape")),
            ("Flatten", vec![], vec![int("axis", 2)], Ok(vec![6, 4])),
            ("Flatten", vec![], vec![int("axis", 3)], Ok(vec![24, 1])),
            ("Flatten", vec![], vec![int("axis", 4)], Err("axis is 4")),
            ("Transpose", vec![], vec![], Ok(vec![4, 3, 2])),
            ("Transpose", vec![], vec![ints("perm", &[0, 2, 2])], Err("a permutation")),
            ("Unsqueeze", vec![list(&[0, -1])], vec![], Ok(vec![1, 2, 3, 4, 1])),
            ("Squeeze", vec![list(&[1])], vec![], Err("an axis of length 1")),
            ("Slice", vec![list(&[-2]), list(&[99]), list(&[2])], vec![], Ok(vec![2, 3, 2])),
            (
                "Slice",
                vec![list(&[3]), list(&[i64::MIN]), list(&[2]), list(&[-2])],
                vec![],
                Ok(vec![2, 3, 2]),
            ),
            (
                "Slice",
                vec![list(&[0]), list(&[1]), list(&[2]), list(&[0])],
                vec![],
                Err("a step other than 0"),
            ),
            ("Slice", vec![list(&[2]), list(&[1]), list(&[2])], vec![], Err("empty")),
            ("Gather", vec![list(&[0, 1, 0])], vec![int("axis", 1)], Ok(vec![2, 3, 4])),
            ("Pad", vec![list(&[0, 0, 1, 0, 0, 2])], vec![], Ok(vec![2, 3, 7])),
            ("Pad", vec![list(&[0, 0, -9, 0, 0, 2])], vec![], Err("smaller pads")),
            ("Pad", vec![list(&[0, 0, i64::MAX, 0, 0, 1])], vec![], Err("smaller pads")),
            ("ReduceMean", vec![], vec![ints("axes", &[-1])], Ok(vec![2, 3, 1])),
            ("ReduceSum", vec![list(&[0])], vec![int("keepdims", 0)], Ok(vec![3, 4])),
            ("Expand", vec![list(&[5, 1, 1, 1])], vec![], Ok(vec![5, 2, 3, 4])),
            ("ConstantOfShape", vec![], vec![], Err("decides the shape")),
            ("Expand", vec![list(&[1 << 40, 1, 1, 1])], vec![], Err("beyond the limits")),
            ("Concat", vec![Floats(vec![2, 3, 5])], vec![int("axis", -1)], Ok(vec![2, 3, 9])),
            ("Concat", vec![Floats(vec![2, 9, 5])], vec![int("axis", -1)], Err("do not fit")),
            ("MatMul", vec![Floats(vec![4, 7])], vec![], Ok(vec![2, 3, 7])),
            ("MatMul", vec![Floats(vec![4])], vec![], Ok(vec![2, 3])),
            ("MatMul", vec![Floats(vec![3, 7])], vec![], Err("do not fit together")),
            ("Gemm", vec![Floats(vec![4, 7])], vec![], Err("expected a matrix")),
            ("Add", vec![Floats(vec![3, 1])], vec![], Ok(vec![2, 3, 4])),
            ("Add", vec![Ints(vec![1])], vec![], Err("input 1 is i64, expected f32")),
            ("Tile", vec![list(&[2, 1, 3])], vec![], Ok(vec![4, 3, 12])),
        ],
    );
}

/// Operator, X, W, R, more inputs in their positions, attributes, and the
/// shapes of the outputs or part of the error.
type Recurrent<'a> = (
    &'a str,
    [&'a [usize]; 3],
    Vec<(usize, &'a [usize])>,
    Vec<AttributeProto>,
    Result<Vec<Vec<usize>>, &'a str>,
);

fn check_recurrent(cases: Vec<Recurrent<'_>>) {
    for (op, [x, w, r], more, attributes, expected) in cases {
        // Weights that are inputs keep the node from being unrolled.
        let mut sample = Sample::new(&[("x", x), ("w", w), ("r", r)], &["y", "y_h"]);
        let mut inputs = vec!["x".to_owned(), "w".to_owned(), "r".to_owned()];
        for (index, shape) in more {
            inputs.resize(inputs.len().max(index + 1), String::new());
            inputs[index] = format!("c{index}");
            sample = sample.counting(&inputs[index], shape);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let outputs: &[&str] = if op == "LSTM" { &["y", "y_h", "y_c"] } else { &["y", "y_h"] };
        let sample = sample.node(op, &inputs, outputs, &attributes);
        match (sample.read(), expected) {
            (Ok(model), Ok(shapes)) => {
                let got = outputs.iter().map(|&o| model.graph.types[o].shape.clone());
                assert_eq!(got.collect::<Vec<_>>(), shapes, "{op}");
            }
            (Err(error), Err(part)) => {
                let error = error.to_string();
                assert!(error.contains(part), "{op}: {error}");
            }
            (got, expected) => panic!("{op}: {got:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn recurrent() {
    let way = |way| text_attribute("direction", way);
    let int = int_attribute;
    let (x, w, r): (&[usize], &[usize], &[usize]) = (&[7, 2, 3], &[1, 20, 3], &[1, 20, 5]);
    let lstm = [x, w, r];
    let two: [&[usize]; 3] = [x, &[2, 15, 3], &[2, 15, 5]];
    let state = || vec![1, 2, 5];
    check_recurrent(vec![
        ("LSTM", lstm, vec![], vec![], Ok(vec![vec![7, 1, 2, 5], state(), state()])),
        (
            "LSTM",
            lstm,
            vec![(3, &[1, 40]), (5, &[1, 2, 5]), (6, &[1, 2, 5]), (7, &[1, 15])],
            vec![int("hidden_size", 5), way("reverse")],
            Ok(vec![vec![7, 1, 2, 5], state(), state()]),
        ),
        (
            "GRU",
            two,
            vec![(3, &[2, 30]), (5, &[2, 2, 5])],
            vec![way("bidirectional")],
            Ok(vec![vec![7, 2, 2, 5], vec![2, 2, 5]]),
        ),
        (
            "GRU",
            two,
            vec![(5, &[7, 2, 5])],
            vec![way("bidirectional"), int("layout", 1)],
            Ok(vec![vec![7, 2, 2, 5], vec![7, 2, 5]]),
        ),
        ("RNN", [x, &[1, 5, 3], &[1, 5, 5]], vec![], vec![], Ok(vec![vec![7, 1, 2, 5], state()])),
        ("LSTM", [&[7, 3], w, r], vec![], vec![], Err("input 0 has shape [7, 3], expected 3")),
        ("LSTM", [x, &[1, 20, 4], r], vec![], vec![], Err("input 1 has shape [1, 20, 4]")),
        ("LSTM", [x, &[1, 15, 3], r], vec![], vec![], Err("input 1 has shape [1, 15, 3]")),
        ("LSTM", [x, w, &[1, 15, 5]], vec![], vec![], Err("input 2 has shape [1, 15, 5]")),
        ("LSTM", [x, w, &[20, 5]], vec![], vec![], Err("input 2 has shape [20, 5]")),
        ("LSTM", lstm, vec![(3, &[1, 20])], vec![], Err("input 3 has shape [1, 20]")),
        ("LSTM", lstm, vec![(4, &[2])], vec![], Err("input 4 is f32, expected i32")),
        ("LSTM", lstm, vec![(5, &[2, 2, 5])], vec![], Err("input 5 has shape [2, 2, 5]")),
        ("LSTM", lstm, vec![(6, &[1, 2, 4])], vec![], Err("input 6 has shape [1, 2, 4]")),
        ("LSTM", lstm, vec![(7, &[1, 20])], vec![], Err("input 7 has shape [1, 20]")),
        ("LSTM", lstm, vec![], vec![way("bidirectional")], Err("input 1 has shape [1, 20, 3]")),
        ("LSTM", lstm, vec![], vec![way("sideways")], Err("direction is sideways")),
        ("LSTM", lstm, vec![], vec![int("hidden_size", 4)], Err("hidden_size is 4")),
        ("LSTM", lstm, vec![], vec![int("layout", 2)], Err("layout is 2")),
    ]);
}

#[test]
fn broadcasts() {
    type Shape = &'static [usize];
    let cases: [(Shape, Shape, Option<Shape>); 5] = [
        (&[2, 1, 4], &[3, 1], Some(&[2, 3, 4])),
        (&[], &[3], Some(&[3])),
        (&[0], &[1], Some(&[0])),
        (&[2], &[3], None),
        (&[1, 5], &[7, 1], Some(&[7, 5])),
    ];
    for (left, right, expected) in cases {
        assert_eq!(broadcast(left, right).as_deref(), expected);
        assert_eq!(broadcast(right, left).as_deref(), expected);
    }
}

#[test]
fn axes() {
    let cases = [
        (0, 3, Some(0)),
        (-1, 3, Some(2)),
        (3, 3, None),
        (-4, 3, None),
        (i64::MIN, 3, None),
        (0, 0, None),
    ];
    for (axis, rank, expected) in cases {
        assert_eq!(resolve_axis(axis, rank), expected);
    }
}

#[test]
fn each_operator_has_one_entry() {
    let mut names: Vec<&str> = super::table::OPERATORS.iter().map(|known| known.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn entries_are_found_by_domain_and_name() {
    for (domain, name, found) in [
        ("", "Conv", true),
        ("ai.onnx", "Conv", true),
        ("com.microsoft", "Conv", false),
        ("", "conv", false),
        ("com.microsoft", "FusedConv", true),
        ("", "FusedConv", false),
        ("", "Loop", false),
    ] {
        assert_eq!(super::find(domain, name).is_some(), found, "{domain} {name}");
    }
}
