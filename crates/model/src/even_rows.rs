//! Makes rows of weights that are of very unlike size alike, so that a parity of
//! them does not lose the small ones.
//!
//! ```text
//! x -> W -> y     is     x -> D W -> y' -> times 1 / D -> y
//! ```
//!
//! D has a power of two for each output row: what comes out is the same to the
//! last bit. The product with D is made while weights are packed, the one with
//! 1 / D by whoever reads y, as glue; so what travels, is coded and decoded has
//! rows of one size. Layers whose rows are alike stay as they are.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Constant, Graph, Node, ValueType};
use crate::scaled::Scaled;
use crate::tensor::{DType, Tensor};

/// Rows are alike up to this power of two: so many digits of a small row are
/// lost in a sum with a large one.
const SPREAD: i32 = 10;

/// A sum of rows whose weights are beyond this power of two might be infinite.
const LARGE: i32 = 100;

/// Weights that are read at once.
const PIECE: usize = 1 << 14;

/// Evens the rows of every Conv, Gemm and MatMul with constant weights of which
/// some are much larger than others.
pub(crate) fn even(graph: &mut Graph) {
    let mut taken: BTreeSet<String> = graph.types.keys().cloned().collect();
    taken.extend(graph.nodes.iter().map(|node| node.name.clone()));
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    // Steps of a recurrent node share their weights.
    let mut found = BTreeMap::new();
    for mut node in std::mem::take(&mut graph.nodes) {
        let undo = evened(graph, &mut node, &mut taken, &mut found);
        nodes.push(node);
        nodes.extend(undo);
    }
    graph.nodes = nodes;
}

/// How the rows of a layer lie: their number, consecutive weights of one, and
/// the output's dimension that they become.
struct Rows {
    count: usize,
    run: usize,
    axis: usize,
}

fn rows(graph: &Graph, node: &Node, weights: Constant<'_>) -> Option<Rows> {
    let shape = weights.shape();
    let rank = graph.types.get(node.outputs.first()?)?.shape.len();
    let rows = match (node.op.as_str(), shape) {
        ("Conv", [count, rest @ ..]) if node.int("group", 1) == Ok(1) => {
            Rows { count: *count, run: rest.iter().product(), axis: 1 }
        }
        ("Gemm", [first, second]) if node.float("beta", 1.0) == Ok(1.0) => {
            match node.int("transB", 0).ok()? {
                0 => Rows { count: *second, run: 1, axis: 1 },
                _ => Rows { count: *first, run: *second, axis: 1 },
            }
        }
        ("MatMul", [_, second]) if rank > 0 => Rows { count: *second, run: 1, axis: rank - 1 },
        _ => return None,
    };
    (rows.count > 1 && rows.run > 0 && weights.dtype() == DType::F32).then_some(rows)
}

/// The power of two below the largest weight of each row; `None` for a row of
/// zeros, or one that holds what is not finite.
fn exponents(weights: Constant<'_>, rows: &Rows) -> Vec<Option<i32>> {
    let mut largest = vec![0f32; rows.count];
    let mut space = Vec::new();
    let mut at = 0;
    while at < weights.elements() {
        let end = weights.elements().min(at + PIECE);
        for (i, bytes) in weights.read(at..end, &mut space).as_chunks::<4>().0.iter().enumerate() {
            let size = f32::from_le_bytes(*bytes).abs();
            let row = &mut largest[(at + i) / rows.run % rows.count];
            // A value that is no number stays.
            if size > *row || size.is_nan() {
                *row = size;
            }
        }
        at = end;
    }
    let exponent = |size: f32| (size.is_finite() && size > 0.0).then(|| size.log2().floor() as i32);
    largest.into_iter().map(exponent).collect()
}

/// Weights by name and run: the name of even ones, and the powers of two of
/// their rows; `None` for those that are even.
type Found = BTreeMap<(String, usize), Option<(String, Vec<i32>)>>;

/// Even weights in place of those of `node`, which has `rows`.
fn weights(
    graph: &mut Graph,
    node: &Node,
    rows: &Rows,
    taken: &mut BTreeSet<String>,
) -> Option<(String, Vec<i32>)> {
    let old = graph.constant(node.input(1)?)?;
    let exponents = exponents(old, rows);
    let (least, most) =
        exponents.iter().flatten().fold((i32::MAX, i32::MIN), |(a, b), &e| (a.min(e), b.max(e)));
    if most < LARGE && most.saturating_sub(least) < SPREAD {
        return None;
    }
    // Of what is larger than 2^-126, so that products stay exact.
    let powers: Vec<i32> =
        exponents.iter().map(|e| e.map_or(0, |e| (-e).clamp(-120, 120))).collect();
    let scales = Tensor::from_f32(vec![rows.count], &scale(&powers, 1)).ok()?;
    let scaled = match old {
        Constant::Plain(tensor) => Scaled::product(tensor.clone(), scales, rows.run)?,
        Constant::Scaled(scaled) => scaled.times(scales, rows.run)?,
    };
    let name = fresh(taken, format!("{}/even_weights", node.name));
    let of = ValueType { dtype: DType::F32, shape: scaled.shape().to_vec() };
    graph.types.insert(name.clone(), of);
    graph.scaled.insert(name.clone(), scaled);
    Some((name, powers))
}

fn scale(powers: &[i32], sign: i32) -> Vec<f32> {
    powers.iter().map(|&power| 2f32.powi(sign * power)).collect()
}

fn fresh(taken: &mut BTreeSet<String>, mut name: String) -> String {
    while !taken.insert(name.clone()) {
        name.push('_');
    }
    name
}

/// Gives `node` even rows where it has others; the node that undoes it.
fn evened(
    graph: &mut Graph,
    node: &mut Node,
    taken: &mut BTreeSet<String>,
    found: &mut Found,
) -> Option<Node> {
    if !node.is_standard() || !matches!(node.op.as_str(), "Conv" | "Gemm" | "MatMul") {
        return None;
    }
    let rows = rows(graph, node, graph.constant(node.input(1)?)?)?;
    let key = (node.input(1)?.to_owned(), rows.run);
    if !found.contains_key(&key) {
        let made = weights(graph, node, &rows, taken);
        found.insert(key.clone(), made);
    }
    let (weight_name, powers) = found.get(&key)?.clone()?;
    let bias = match node.input(2) {
        None => None,
        Some(name) => Some(even_bias(graph.constant(name)?, &scale(&powers, 1))?),
    };
    let mut fresh = |word: &str| fresh(taken, format!("{}/{word}", node.name));
    let (bias_name, back, even) = (fresh("even_bias"), fresh("sizes"), fresh("even"));
    let undone = fresh("undone");
    let output = node.outputs.first()?.clone();
    let of = graph.types.get(&output)?.clone();
    let mut shape = vec![1; of.shape.len()];
    shape[rows.axis] = rows.count;
    let sizes = Tensor::from_f32(shape, &scale(&powers, -1)).ok()?;
    node.inputs[1] = weight_name;
    if let Some(bias) = bias {
        graph.add_constant(bias_name.clone(), bias);
        node.inputs[2] = bias_name;
    }
    graph.add_constant(back.clone(), sizes);
    graph.types.insert(even.clone(), of);
    node.outputs[0].clone_from(&even);
    let (op, domain) = ("Mul".to_owned(), String::new());
    let (inputs, outputs) = (vec![even, back], vec![output]);
    Some(Node { name: undone, op, domain, inputs, outputs, attributes: Vec::new() })
}

/// A bias, as one number or one a row, for rows times `scales`.
fn even_bias(bias: Constant<'_>, scales: &[f32]) -> Option<Tensor> {
    let values = bias.to_f32().ok()?;
    let lines = match *bias.shape() {
        [] | [_] => 1,
        [lines, _] => lines,
        _ => return None,
    };
    let columns = values.len().checked_div(lines)?;
    if columns != 1 && columns != scales.len() {
        return None;
    }
    let at = |line: usize, row: usize| {
        values[line * columns + if columns == 1 { 0 } else { row }] * scales[row]
    };
    let all: Vec<f32> = (0..lines)
        .flat_map(|line| (0..scales.len()).map(move |row| (line, row)))
        .map(|(line, row)| at(line, row))
        .collect();
    let shape = if lines == 1 { vec![scales.len()] } else { vec![lines, scales.len()] };
    all.iter().all(|v| v.is_finite()).then(|| Tensor::from_f32(shape, &all).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use crate::onnx::int_attribute;
    use crate::sample::Sample;
    use crate::tensor::Tensor;

    fn matrix(rows: &[f32], by_rows: bool) -> Tensor {
        let (n, k) = (rows.len(), 3);
        let at = |i: usize| match by_rows {
            true => rows[i / k] * (1.0 + (i % k) as f32),
            false => rows[i % n] * (1.0 + (i / n) as f32),
        };
        let values: Vec<f32> = (0..n * k).map(at).collect();
        Tensor::from_f32(if by_rows { vec![n, k] } else { vec![k, n] }, &values).unwrap()
    }

    #[test]
    fn rows_of_unlike_size_become_alike_and_nothing_else_changes() {
        for by_rows in [true, false] {
            let rows = [1.0, 1e-6, -3e4, 0.0];
            let sample = Sample::new(&[("x", &[1, 3])], &["y"])
                .tensor("w", matrix(&rows, by_rows))
                .tensor("b", Tensor::from_f32(vec![4], &[1.0, 2.0, 3.0, 4.0]).unwrap())
                .node("Gemm", &["x", "w", "b"], &["y"], &[int_attribute("transB", by_rows.into())]);
            let graph = sample.read().unwrap().graph;
            let ops: Vec<&str> = graph.nodes.iter().map(|n| n.op.as_str()).collect();
            assert_eq!(ops, ["Gemm", "Mul"]);
            let of = |name: &str| graph.constant(name).unwrap().to_f32().unwrap();
            let (even, bias) = (of(&graph.nodes[0].inputs[1]), of(&graph.nodes[0].inputs[2]));
            let sizes = of(&graph.nodes[1].inputs[1]);
            let old = matrix(&rows, by_rows).to_f32().unwrap();
            for i in 0..12 {
                let row = if by_rows { i / 3 } else { i % 4 };
                assert_eq!(even[i] * sizes[row], old[i]);
                assert!(rows[row] == 0.0 || (0.25..4.0).contains(&even[i].abs()), "{}", even[i]);
            }
            let back: Vec<f32> = bias.iter().zip(&sizes).map(|(b, s)| b * s).collect();
            assert_eq!(back, [1.0, 2.0, 3.0, 4.0]);
        }
    }

    #[test]
    fn rows_that_are_alike_stay() {
        let sample = Sample::new(&[("x", &[2, 3])], &["y"])
            .tensor("w", matrix(&[1.0, 0.1, -7.0, 0.0], false))
            .node("MatMul", &["x", "w"], &["y"], &[]);
        assert_eq!(sample.read().unwrap().graph.nodes.len(), 1);
    }
}
