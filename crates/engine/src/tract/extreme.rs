//! The greatest of values that are all negative infinity, which tract takes for
//! the least finite number; and the least of positive ones.

use std::collections::BTreeSet;

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

const FLOAT: i32 = DataType::Float as i32;

/// Mends every ReduceMax and ReduceMin of `floats`, names of f32 values: where no
/// element is finite or of the other sign, the result is the infinity itself.
pub(super) fn mend(graph: &mut GraphProto, floats: &BTreeSet<String>) {
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        let infinity = match node.op_type.as_str() {
            "ReduceMax" => f32::NEG_INFINITY,
            "ReduceMin" => f32::INFINITY,
            _ => {
                nodes.push(node);
                continue;
            }
        };
        let reads_float = node.input.first().is_some_and(|input| floats.contains(input));
        if !reads_float || node.output.len() != 1 {
            nodes.push(node);
            continue;
        }
        let (input, output) = (node.input[0].clone(), node.output[0].clone());
        let name = |word: &str| format!("{output}/{word}");
        let make = |op: &str, inputs: &[&str], output: &str| NodeProto {
            name: output.to_owned(),
            op_type: op.to_owned(),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![output.to_owned()],
            ..Default::default()
        };
        for (word, value) in [("infinity", infinity), ("none", 0.0)] {
            graph.initializer.push(TensorProto {
                name: name(word),
                data_type: FLOAT,
                raw_data: value.to_le_bytes().to_vec(),
                ..Default::default()
            });
        }
        let attributes = node.attribute.clone();
        node.output[0] = name("found");
        nodes.push(node);
        nodes.push(make("Equal", &[&input, &name("infinity")], &name("is_infinite")));
        nodes.push(make("Not", &[&name("is_infinite")], &name("is_other")));
        let mut cast = make("Cast", &[&name("is_other")], &name("others"));
        cast.attribute.push(AttributeProto {
            name: "to".to_owned(),
            r#type: AttributeType::Int as i32,
            i: i64::from(FLOAT),
            ..Default::default()
        });
        nodes.push(cast);
        // Only of numbers of 0 and 1, which are never infinite.
        let mut any = make("ReduceMax", &[&name("others")], &name("any_other"));
        any.attribute = attributes;
        nodes.push(any);
        nodes.push(make("Equal", &[&name("any_other"), &name("none")], &name("all_infinite")));
        let choice = [name("all_infinite"), name("infinity"), name("found")];
        let mut chosen = make("Where", &[&choice[0], &choice[1], &choice[2]], &output);
        // The old node may be named after what it made.
        chosen.name = name("chosen");
        nodes.push(chosen);
    }
    graph.node = nodes;
}
