//! Differences and quotients whose second operand a convolution makes.
//!
//! Where the first has a number a channel, tract moves it into the convolution's
//! weights, and takes `a - conv(x)` for `a + conv(x)` without its bias, and
//! `a / conv(x)` for a convolution with weights `a / w`. Negated values between
//! keep it from that, and change no bit of what comes out.

use std::collections::BTreeSet;

use tract_onnx::pb::{GraphProto, NodeProto};

/// Has every `a - b` be `a + -b`, and every `a / b` be `-a / -b`, where a
/// convolution is in the graph: what lies between it and the node may go.
pub(super) fn mend(graph: &mut GraphProto, floats: &BTreeSet<String>) {
    if graph.node.iter().all(|node| node.op_type != "Conv") {
        return;
    }
    let constants: BTreeSet<String> = graph.initializer.iter().map(|t| t.name.clone()).collect();
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        let of_floats = node.output.first().is_some_and(|output| floats.contains(output));
        let fits = matches!(node.op_type.as_str(), "Sub" | "Div") && node.input.len() == 2;
        if fits && of_floats && !constants.contains(&node.input[1]) {
            let first = if node.op_type == "Div" { 0 } else { 1 };
            for place in first..2 {
                let negated = format!("{}/negated_{place}", node.output[0]);
                nodes.push(NodeProto {
                    name: negated.clone(),
                    op_type: "Neg".to_owned(),
                    input: vec![std::mem::replace(&mut node.input[place], negated.clone())],
                    output: vec![negated],
                    ..Default::default()
                });
            }
            if node.op_type == "Sub" {
                node.op_type = "Add".to_owned();
            }
        }
        nodes.push(node);
    }
    graph.node = nodes;
}
