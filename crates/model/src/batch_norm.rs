//! Folds a BatchNormalization into the layer before it.
//!
//! ```text
//! x -> Conv (W, b) -> BatchNormalization -> y       is       x -> Conv (g W, c) -> y
//!
//! g = gamma / sqrt(variance + epsilon)     c = (b - mean) g + beta     for each channel
//! ```
//!
//! Where the layer is split, the normalization then comes before the code, not
//! with the glue that each reader computes again. The weights are not copied:
//! they are multiplied when they are read.

use std::collections::BTreeMap;

use crate::graph::{Constant, Graph, Node, ValueType};
use crate::scaled::Scaled;
use crate::tensor::{DType, Tensor};

/// Most channels that are folded in one model. Nodes may share their constants,
/// so even a small file could ask for a great many.
const CHANNELS_MAX: usize = 1 << 22;

/// Most factors of one weight: one if it is stored quantized, and one for each
/// normalization in a row.
const FACTORS_MAX: usize = 4;

/// A layer's new weights and bias.
struct Folded {
    weights: Scaled,
    bias: Tensor,
}

/// Folds every BatchNormalization that is the only reader of a Conv or Gemm with
/// constant weights.
pub(crate) fn fold(graph: &mut Graph) {
    let mut reads: BTreeMap<String, usize> = BTreeMap::new();
    let read = graph.nodes.iter().flat_map(|n| &n.inputs).chain(&graph.outputs);
    read.for_each(|value| *reads.entry(value.clone()).or_default() += 1);
    let mut makers: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    let mut channels = CHANNELS_MAX;
    for node in std::mem::take(&mut graph.nodes) {
        let input = node.input(0).filter(|v| reads.get(*v) == Some(&1));
        let maker = input.and_then(|v| makers.get(v)).copied();
        if let (Some(at), [output]) = (maker, node.outputs.as_slice())
            && let Some(folded) = folded(graph, &kept[at], &node, channels)
        {
            channels -= folded.bias.elements();
            apply(graph, &mut kept[at], folded, output);
            makers.insert(output.clone(), at);
            continue;
        }
        makers.extend(node.outputs.iter().map(|o| (o.clone(), kept.len())));
        kept.push(node);
    }
    graph.nodes = kept;
}

/// Weights and bias of the one layer that computes `layer` and then `norm`;
/// `None` where there is none, or where it has more than `limit` channels.
/// Training forms of `norm` were refused before.
fn folded(graph: &Graph, layer: &Node, norm: &Node, limit: usize) -> Option<Folded> {
    let linear = matches!(layer.op.as_str(), "Conv" | "Gemm");
    let per_channel = norm.int("spatial", 1) == Ok(1);
    let both_standard = layer.is_standard() && norm.is_standard();
    if norm.op != "BatchNormalization" || !linear || !both_standard || !per_channel {
        return None;
    }
    let weights = graph.constant(layer.input(1)?)?;
    let (rows, run) = rows(layer, weights)?;
    if rows > limit {
        return None;
    }
    let list = |index: usize| {
        let values = graph.constant(norm.input(index)?)?.to_f32().ok()?;
        (values.len() == rows).then_some(values)
    };
    let (gamma, beta, mean, variance) = (list(1)?, list(2)?, list(3)?, list(4)?);
    let bias = match layer.input(2) {
        None => vec![0.0; rows],
        Some(name) => {
            let bias = graph.constant(name)?;
            let whole = bias.shape() == [rows] || bias.shape() == [1, rows];
            whole.then(|| bias.to_f32().ok()).flatten()?
        }
    };
    let epsilon = f64::from(norm.float("epsilon", 1e-5).ok()?);
    let scale = |(&g, &v): (&f32, &f32)| (f64::from(g) / (f64::from(v) + epsilon).sqrt()) as f32;
    let scales: Vec<f32> = gamma.iter().zip(&variance).map(scale).collect();
    // By the rounded scale, as the weights are, so that what cancels out in
    // (W x + b - mean) still does.
    let shift = |i: usize| {
        let centred = f64::from(bias[i]) - f64::from(mean[i]);
        (centred * f64::from(scales[i]) + f64::from(beta[i])) as f32
    };
    let shifts: Vec<f32> = (0..rows).map(shift).collect();
    if !scales.iter().chain(&shifts).all(|v| v.is_finite()) {
        return None;
    }
    let scales = Tensor::from_f32(vec![rows], &scales).ok()?;
    let weights = match weights {
        Constant::Plain(tensor) => Scaled::product(tensor.clone(), scales, run)?,
        Constant::Scaled(scaled) if scaled.depth() < FACTORS_MAX => scaled.times(scales, run)?,
        Constant::Scaled(_) => return None,
    };
    Some(Folded { weights, bias: Tensor::from_f32(vec![rows], &shifts).ok()? })
}

/// The number of output rows of a layer's weights, and how many consecutive
/// weights belong to one output row.
fn rows(layer: &Node, weights: Constant<'_>) -> Option<(usize, usize)> {
    let shape = weights.shape();
    let (rows, run) = if layer.op == "Conv" {
        let rows = *shape.first()?;
        (rows, weights.elements().checked_div(rows)?)
    } else {
        // A C that is scaled would be divided by that again.
        let plain = layer.float("beta", 1.0) == Ok(1.0);
        let [first, second] = *shape else { return None };
        match layer.int("transB", 0) {
            Ok(0) if plain => (second, 1),
            Ok(_) if plain => (first, second),
            _ => return None,
        }
    };
    (rows > 0 && run > 0).then_some((rows, run))
}

/// Gives `layer` its new weights and bias, and lets it make `output`.
fn apply(graph: &mut Graph, layer: &mut Node, folded: Folded, output: &str) {
    let Folded { weights, bias } = folded;
    let weight_name = fresh(graph, &format!("{}_weight", layer.name));
    let shape = weights.shape().to_vec();
    graph.types.insert(weight_name.clone(), ValueType { dtype: DType::F32, shape });
    graph.scaled.insert(weight_name.clone(), weights);
    let bias_name = fresh(graph, &format!("{}_bias", layer.name));
    let shape = bias.shape().to_vec();
    graph.types.insert(bias_name.clone(), ValueType { dtype: DType::F32, shape });
    graph.initializers.insert(bias_name.clone(), bias);
    layer.inputs = vec![layer.inputs[0].clone(), weight_name, bias_name];
    layer.outputs = vec![output.to_owned()];
}

/// `name`, with the first number appended that makes it unique, if it is not.
fn fresh(graph: &Graph, name: &str) -> String {
    let mut made = name.to_owned();
    let mut count = 1;
    while graph.types.contains_key(&made) {
        count += 1;
        made = format!("{name}_{count}");
    }
    made
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::onnx::{AttributeProto, float_attribute, int_attribute, ints_attribute};
    use crate::sample::Sample;
    use crate::tensor::{DType, Tensor};

    /// A list that is not constant in scale and sign.
    const GAMMA: [f32; 4] = [0.5, -2.0, 3.0, 1.0];
    const BETA: [f32; 4] = [1.0, 0.25, -7.0, 0.0];
    const MEAN: [f32; 4] = [3.0, -1.0, 0.125, 10.0];
    const VARIANCE: [f32; 4] = [4.0, 0.01, 100.0, 0.5];

    fn list(sample: Sample, name: &str, values: &[f32]) -> Sample {
        sample.tensor(name, Tensor::from_f32(vec![values.len()], values).unwrap())
    }

    /// x [1, 4, 5, 5] and the parameters of a normalization of 4 channels.
    fn sample(x: &[usize]) -> Sample {
        let mut sample = Sample::new(&[("x", x)], &["y"]);
        for (name, values) in
            [("gamma", GAMMA), ("beta", BETA), ("mean", MEAN), ("variance", VARIANCE)]
        {
            sample = list(sample, name, &values);
        }
        sample
    }

    fn norm(sample: Sample, from: &str, to: &str, attributes: &[AttributeProto]) -> Sample {
        let inputs = [from, "gamma", "beta", "mean", "variance"];
        sample.node("BatchNormalization", &inputs, &[to], attributes)
    }

    /// Names of the operators, and weights and bias of the first.
    fn read(sample: &Sample) -> (Vec<String>, Vec<f32>, Option<Vec<f32>>) {
        let graph: Graph = sample.read().unwrap().graph;
        let values = |name: &str| graph.constant(name).unwrap().to_f32().unwrap();
        let ops = graph.nodes.iter().map(|n| n.op.clone()).collect();
        let first = &graph.nodes[0];
        (ops, values(&first.inputs[1]), first.input(2).map(values))
    }

    /// The scale and the shift of channel `c`, for a layer with bias `b`.
    fn naive(c: usize, b: f32, epsilon: f64) -> (f32, f32) {
        let g = f64::from(GAMMA[c]) / (f64::from(VARIANCE[c]) + epsilon).sqrt();
        let shift = (f64::from(b) - f64::from(MEAN[c])) * f64::from(g as f32) + f64::from(BETA[c]);
        (g as f32, shift as f32)
    }

    #[test]
    fn folds() {
        let (conv, deep) = ([1, 4, 5, 5], [4, 1, 3, 3]);
        let group = [int_attribute("group", 4)];
        let rows = [int_attribute("transB", 1), float_attribute("alpha", 0.5)];
        // Operator, input, weights, its attributes, bias shape, epsilon.
        type Case<'a> =
            (&'a str, &'a [usize], &'a [usize], &'a [AttributeProto], Option<&'a [usize]>, f32);
        let cases: [Case<'_>; 8] = [
            ("Conv", &conv, &[4, 4, 3, 3], &[], None, 1e-5),
            ("Conv", &conv, &[4, 4, 3, 3], &[], Some(&[4]), 1e-5),
            ("Conv", &conv, &[4, 4, 1, 1], &[], Some(&[4]), 0.5),
            ("Conv", &conv, &deep, &group, None, 1e-5),
            ("Conv", &conv, &deep, &group, Some(&[4]), 1e-3),
            ("Gemm", &[2, 3], &[4, 3], &rows, Some(&[1, 4]), 1e-5),
            ("Gemm", &[2, 3], &[3, 4], &[], None, 1e-5),
            ("Gemm", &[2, 3], &[3, 4], &[], Some(&[4]), 1e-5),
        ];
        for (op, x, w, attributes, bias, epsilon) in cases {
            let mut given = sample(x).counting("w", w);
            let mut inputs = vec!["x", "w"];
            if let Some(shape) = bias {
                given = given.counting("b", shape);
                inputs.push("b");
            }
            given = given.node(op, &inputs, &["h"], attributes);
            let epsilon_given = [float_attribute("epsilon", epsilon)];
            let default = epsilon == 1e-5;
            given = norm(given, "h", "n", if default { &[] } else { &epsilon_given });
            given = given.node("Relu", &["n"], &["y"], &[]);
            let (ops, weights, shifts) = read(&given);
            assert_eq!(ops, [op, "Relu"]);
            let count: usize = w.iter().product();
            let by_columns = op == "Gemm" && attributes.is_empty();
            let channel = |i: usize| if by_columns { i % 4 } else { i / (count / 4) };
            let of = |c: usize| naive(c, bias.map_or(0.0, |_| c as f32), f64::from(epsilon));
            let wanted: Vec<f32> = (0..count).map(|i| i as f32 * of(channel(i)).0).collect();
            assert_eq!(weights, wanted, "{op} {w:?}");
            assert_eq!(shifts.unwrap(), (0..4).map(|c| of(c).1).collect::<Vec<_>>(), "{op} {w:?}");
        }
    }

    #[test]
    fn one_after_the_other_over_quantized_weights() {
        let mut given = sample(&[1, 4, 5, 5])
            .tensor(
                "q",
                Tensor::new(DType::U8, vec![4, 4, 65, 65], vec![7; 67_600].into()).unwrap(),
            )
            .tensor("scale", Tensor::from_f32(vec![], &[0.5]).unwrap())
            .node("DequantizeLinear", &["q", "scale"], &["w"], &[])
            .node("Conv", &["x", "w"], &["v0"], &[ints_attribute("pads", &[40; 4])]);
        for i in 0..5 {
            given = norm(given, &format!("v{i}"), &format!("v{}", i + 1), &[]);
        }
        let (ops, weights, _) = read(&given.node("Relu", &["v5"], &["y"], &[]));
        // Each element has at most four factors; rows as unlike as these are
        // made alike, by powers of two.
        assert_eq!(ops, ["Conv", "Mul", "BatchNormalization", "BatchNormalization", "Relu"]);
        let wanted = |c: usize| (0..3).fold(3.5, |w, _| w * naive(c, 0.0, 1e-5).0);
        for (i, weight) in weights.iter().enumerate() {
            let power = (weight / wanted(i / 16_900)).log2();
            assert_eq!(power.fract(), 0.0, "{weight}");
        }
    }

    #[test]
    fn shared_weights_are_not_copied() {
        let given = sample(&[1, 4, 5, 5])
            .counting("w", &[4, 4, 1, 1])
            .node("Conv", &["x", "w"], &["a"], &[])
            .node("Conv", &["x", "w"], &["b"], &[]);
        let given = norm(norm(given, "a", "c", &[]), "b", "d", &[]);
        let given =
            given.node("Conv", &["c", "w"], &["e"], &[]).node("Add", &["d", "e"], &["y"], &[]);
        let graph = given.read().unwrap().graph;
        let ops: Vec<&str> = graph.nodes.iter().map(|n| n.op.as_str()).collect();
        assert_eq!(ops, ["Conv", "Conv", "Conv", "Add"]);
        let weights: Vec<&str> = graph.nodes[..3].iter().map(|n| n.inputs[1].as_str()).collect();
        assert_eq!(weights, ["conv_0_weight", "conv_1_weight", "w"]);
        assert_eq!(graph.nodes[0].outputs, ["c"]);
        let shape = |name: &str| graph.types[name].shape.clone();
        assert_eq!((shape("c"), shape("conv_0_bias")), (vec![1, 4, 5, 5], vec![4]));
        for gone in ["a", "b", "gamma", "variance"] {
            assert!(!graph.types.contains_key(gone), "{gone}");
        }
    }

    #[test]
    fn what_stays() {
        let conv = || sample(&[1, 4, 5, 5]).counting("w", &[4, 4, 1, 1]);
        let plain = || conv().node("Conv", &["x", "w"], &["h"], &[]);
        let gemm = |shape: &[usize], attributes: &[AttributeProto]| {
            let given = sample(&[4, 3]).counting("w", &[3, 4]).counting("c", shape);
            norm(given.node("Gemm", &["x", "w", "c"], &["h"], attributes), "h", "y", &[])
        };
        let mut two_outputs = norm(plain(), "h", "y", &[]);
        let shown = two_outputs.graph().output[0].clone();
        two_outputs.graph().output.push(shown);
        two_outputs.graph().output[1].name = Some("h".to_owned());
        let zero = float_attribute("epsilon", 0.0);
        let flat = list(conv().node("Conv", &["x", "w"], &["h"], &[]), "flat", &[0.0; 4]);
        let free = Sample::new(&[("x", &[1, 4, 5, 5]), ("m", &[4])], &["y"])
            .counting("w", &[4, 4, 1, 1])
            .counting("k", &[4])
            .node("Conv", &["x", "w"], &["h"], &[])
            .node("BatchNormalization", &["h", "k", "k", "m", "k"], &["y"], &[]);
        let free_bias = Sample::new(&[("x", &[1, 4, 5, 5]), ("b", &[4])], &["y"])
            .counting("w", &[4, 4, 1, 1])
            .counting("k", &[4])
            .node("Conv", &["x", "w", "b"], &["h"], &[])
            .node("BatchNormalization", &["h", "k", "k", "k", "k"], &["y"], &[]);
        let cases = [
            ("read twice", norm(plain(), "h", "n", &[]).node("Add", &["h", "n"], &["y"], &[])),
            ("an output", two_outputs),
            ("mean not constant", free),
            ("bias not constant", free_bias),
            (
                "division by zero",
                flat.node(
                    "BatchNormalization",
                    &["h", "gamma", "beta", "mean", "flat"],
                    &["y"],
                    &[zero],
                ),
            ),
            ("beta", gemm(&[4], &[float_attribute("beta", 2.0)])),
            ("a bias for each line", gemm(&[4, 1], &[])),
            ("no layer before it", norm(sample(&[1, 4, 5, 5]), "x", "y", &[])),
            ("something between", {
                norm(plain().node("Relu", &["h"], &["r"], &[]), "r", "y", &[])
            }),
        ];
        for (case, given) in cases {
            let nodes = given.read().unwrap().graph.nodes;
            assert!(nodes.iter().any(|n| n.op == "BatchNormalization"), "{case}");
        }
        // In training, it is over the batch's own mean and deviation.
        let training = norm(plain(), "h", "y", &[int_attribute("training_mode", 1)]);
        let nodes = training.read().unwrap().graph.nodes;
        assert!(nodes.iter().all(|n| n.op != "BatchNormalization"));
        assert_eq!(nodes.iter().filter(|n| n.op == "ReduceMean").count(), 2);
    }
}
