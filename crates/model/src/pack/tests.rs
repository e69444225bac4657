use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use quorate_code::Code;

use super::layout::{ALIGN_BYTES, Place};
use super::spec::TaskValue;
use super::{Layout, TaskSpec, Work, lay_out};
use crate::division::Division;
use crate::division::method::Method;
use crate::division::rows::Rows;
use crate::division::terms::Terms;
use crate::division::tiles::Tiles;
use crate::layer::{Layer, LayerKind, Orientation};
use crate::model::{Limits, Model, ReadOptions};
use crate::onnx::{AttributeProto, float_attribute, int_attribute};
use crate::part::Part;
use crate::sample::{LENET, Sample};
use crate::stage::Staged;
use crate::tensor::{DType, Tensor};

fn stage(name: &str, stage: usize, part: Part) -> TaskSpec {
    TaskSpec { name: name.to_owned(), work: Work::Stage { stage, part, cut: false } }
}

fn output() -> TaskSpec {
    TaskSpec { name: "output".to_owned(), work: Work::Output }
}

/// Some rows of a layer.
fn data(rows: Range<usize>) -> Part {
    Part::data(Arc::new(Rows(vec![rows])), 0)
}

/// A term of a layer's sum.
fn term(columns: Range<usize>) -> Part {
    Part::data(Arc::new(Terms(vec![columns])), 0)
}

/// The combination of shards with these coefficients.
fn parity(coefficients: &[f64], division: Arc<dyn Division>) -> Part {
    let code = Code::from_generator(coefficients.len(), coefficients).unwrap();
    Part::parity(division, Arc::new(code), 0)
}

/// Every stage in `n` data shards and two parities, then the output.
fn specs(staged: &Staged, n: usize) -> Vec<TaskSpec> {
    let mut specs = Vec::new();
    for (s, layer) in staged.stages.iter().map(|s| s.layer().unwrap()).enumerate() {
        let rows = Method::default_for(layer).facts().even;
        let rows = rows(layer, n, true);
        for i in 0..rows.shards() {
            specs.push(stage(&format!("{s}-d{i}"), s, Part::data(rows.clone(), i)));
        }
        for (i, step) in [0.0, 0.75].into_iter().enumerate() {
            let coefficients: Vec<f64> =
                (0..rows.shards()).map(|d| 1.0 + step * d as f64).collect();
            specs.push(stage(&format!("{s}-p{i}"), s, parity(&coefficients, rows.clone())));
        }
        specs.push(stage(&format!("{s}-whole"), s, Part::whole()));
        let columns = (Method::Input.facts().even)(layer, n, false);
        for i in 0..columns.shards() {
            specs.push(stage(&format!("{s}-c{i}"), s, Part::data(columns.clone(), i)));
        }
        if let LayerKind::Conv { .. } = layer.kind {
            specs.extend(tiled(s, layer, n));
        }
    }
    specs.push(output());
    specs
}

/// A convolution in tiles and the sum of them.
fn tiled(s: usize, layer: &Layer, n: usize) -> Vec<TaskSpec> {
    let even = Method::Spatial.facts().even;
    let (tiles, equal) = (even(layer, n, false), even(layer, n, true));
    let mut specs = Vec::new();
    for i in 0..tiles.shards() {
        specs.push(stage(&format!("{s}-t{i}"), s, Part::data(tiles.clone(), i)));
    }
    let coefficients: Vec<f64> = (0..equal.shards()).map(|i| 1.0 + i as f64).collect();
    specs.push(stage(&format!("{s}-tp"), s, parity(&coefficients, equal)));
    let mut cut = specs.clone();
    for spec in &mut cut {
        spec.name.push_str("-cut");
        let Work::Stage { cut, .. } = &mut spec.work else { continue };
        *cut = true;
    }
    specs.extend(cut);
    specs
}

fn write(layout: &Layout<'_>) -> Bytes {
    let (mut file, mut done) = (Vec::new(), 0);
    layout.write_weights(&mut file, &mut |n| done = n).unwrap();
    assert_eq!(file.len() as u64, layout.weights_len());
    assert_eq!(done, layout.weights_len());
    file.into()
}

/// Reads a task file as any model is read, with its weights from `file`.
fn read_back(layout: &Layout<'_>, task: usize, file: &Bytes) -> Model {
    let mut resolve = |location: &str, offset: u64, length: u64| {
        assert_eq!(location, "weights.bin");
        Ok(file.slice(offset as usize..(offset + length) as usize))
    };
    let onnx = layout.task_onnx(task).unwrap();
    Model::read_external(onnx.into(), &ReadOptions::default(), &mut resolve).unwrap()
}

/// The naive way to the weights of `part`, row by row.
fn weights(layer: &Layer, values: &[f32], part: &Part) -> Vec<f32> {
    let at = |row: usize, column: usize| match layer.orientation {
        Orientation::Rows => values[row * layer.row_len + column],
        Orientation::Columns => values[column * layer.rows + row],
    };
    let mut out = Vec::new();
    let each = layer.row_len / layer.columns;
    let division = part.division();
    let range = |shard: usize| division.ranges(shard)[0].clone();
    // By columns, by rows, or all.
    let (noun, terms) = (division.noun(), part.terms());
    let columns = match noun {
        "columns" => range(part.number()).start * each..range(part.number()).end * each,
        _ => 0..layer.row_len,
    };
    let sums: Vec<(f64, Range<usize>)> = match (noun, terms) {
        ("rows", None) => vec![(1.0, range(part.number()))],
        ("rows", Some(terms)) => terms.into_iter().map(|(c, shard)| (c, range(shard))).collect(),
        _ => vec![(1.0, 0..layer.rows)],
    };
    let rows = sums.iter().map(|(_, rows)| rows.len()).max().unwrap_or(0);
    for row in 0..rows {
        for column in columns.clone() {
            let reach = sums.iter().filter(|(_, rows)| row < rows.len());
            let sum = reach.map(|(c, rows)| c * f64::from(at(rows.start + row, column)));
            out.push(sum.sum::<f64>() as f32);
        }
    }
    out
}

/// Lays out, writes and reads back all tasks; compares weights and types.
fn round_trip(staged: &Staged, specs: &[TaskSpec]) {
    let layout = lay_out(staged, specs, "weights.bin").unwrap();
    let file = write(&layout);
    for (i, spec) in specs.iter().enumerate() {
        let model = read_back(&layout, i, &file);
        let names = |values: Vec<TaskValue>| -> Vec<String> {
            values.into_iter().map(|v| v.name).collect()
        };
        assert_eq!(model.graph.inputs, names(layout.task_inputs(i).unwrap()));
        assert_eq!(model.graph.outputs, names(layout.task_outputs(i).unwrap()));
        for value in layout.task_outputs(i).unwrap() {
            assert_eq!(model.graph.types[&value.name].shape, value.shape, "{}", spec.name);
        }
        let Work::Stage { stage, part, .. } = &spec.work else { continue };
        let layer = staged.stages[*stage].layer().unwrap();
        let whole = staged.model.graph.constant(&layer.weight).unwrap().to_f32().unwrap();
        let node = model.graph.nodes.last().unwrap();
        let got = &model.graph.initializers[&node.inputs[1]];
        let mut wanted = weights(layer, &whole, part);
        // The transposed constant before a MatMul is folded while reading.
        if node.op == "MatMul" {
            let rows = part.rows(layer);
            let k = wanted.len() / rows;
            wanted = (0..rows * k).map(|i| wanted[i % rows * k + i / rows]).collect();
        }
        assert_eq!(got.to_f32().unwrap(), wanted, "{}", spec.name);
    }
}

fn staged(sample: &Sample) -> Staged {
    Staged::new(sample.read().unwrap()).unwrap()
}

#[test]
fn models_there_and_back() {
    let bytes = Bytes::from_static(LENET);
    let staged = Staged::new(Model::read(bytes, &Limits::default()).unwrap()).unwrap();
    for n in [1, 4] {
        round_trip(&staged, &specs(&staged, n));
    }
}

#[test]
fn matrix_products_there_and_back() {
    let gemm: [&[AttributeProto]; 2] =
        [&[], &[int_attribute("transB", 1), float_attribute("alpha", 0.5)]];
    let mut samples = Vec::new();
    for (attributes, shape) in gemm.into_iter().zip([[70, 5], [5, 70]]) {
        let sample = Sample::new(&[("x", &[2, 70])], &["y"]).counting("w", &shape);
        samples.push(sample.node("Gemm", &["x", "w"], &["y"], attributes));
    }
    for (x, opset) in [(vec![2, 70], 17), (vec![2, 70], 9), (vec![2, 3, 70], 17), (vec![70], 17)] {
        let sample = Sample::new(&[("x", &x)], &["y"]).counting("w", &[70, 5]).opset(opset);
        samples.push(sample.node("MatMul", &["x", "w"], &["y"], &[]));
    }
    // Several matrices, for as many of the input or for each.
    for (x, w) in [(vec![3, 2, 7], vec![3, 7, 5]), (vec![2, 7], vec![2, 3, 7, 5])] {
        let sample = Sample::new(&[("x", &x)], &["y"]).counting("w", &w);
        samples.push(sample.node("MatMul", &["x", "w"], &["y"], &[]));
    }
    for sample in samples {
        let staged = staged(&sample);
        round_trip(&staged, &specs(&staged, 3));
    }
}

/// 300 x 400 numbers, quantized, with a scale and a zero point for each of the
/// dimension `axis`, as `w`.
fn quantized(sample: Sample, axis: usize) -> Sample {
    let count = [300usize, 400][axis];
    let bytes = |n: usize, step: usize| (0..n).map(|i| (i * step) as u8).collect::<Vec<u8>>();
    let scales: Vec<f32> = (0..count).map(|i| 0.01 * (i + 1) as f32).collect();
    let tensor = |shape: Vec<usize>, data: Vec<u8>| Tensor::new(DType::U8, shape, data.into());
    sample
        .tensor("q", tensor(vec![300, 400], bytes(300 * 400, 7)).unwrap())
        .tensor("scale", Tensor::from_f32(vec![count], &scales).unwrap())
        .tensor("zero", tensor(vec![count], bytes(count, 3)).unwrap())
        .node(
            "DequantizeLinear",
            &["q", "scale", "zero"],
            &["w"],
            &[int_attribute("axis", axis as i64)],
        )
}

/// The naive way to element [i, j] of `w`.
fn dequantized(axis: usize, i: usize, j: usize) -> f32 {
    let at = [i, j][axis];
    let difference = i32::from(((i * 400 + j) * 7) as u8) - i32::from((at * 3) as u8);
    difference as f32 * (0.01 * (at + 1) as f32)
}

#[test]
fn quantized_weights_there_and_back() {
    for axis in [0, 1] {
        let all: Vec<f32> = (0..120_000).map(|i| dequantized(axis, i / 400, i % 400)).collect();
        let turned: Vec<f32> = (0..120_000).map(|i| dequantized(axis, i % 300, i / 300)).collect();
        let sample = || Sample::new(&[("x", &[2, 300])], &["y"]);
        let columns = || quantized(sample(), axis);
        let product = |s: Sample, w: &str| s.node("MatMul", &["x", w], &["y"], &[]);
        let rows = quantized(Sample::new(&[("x", &[2, 400])], &["y"]), axis);
        let cases = [
            (product(columns(), "w"), &all, true),
            (rows.node("Gemm", &["x", "w"], &["y"], &[int_attribute("transB", 1)]), &all, true),
            (
                product(
                    columns().ints("to", &[300, 400]).node("Reshape", &["w", "to"], &["r"], &[]),
                    "r",
                ),
                &all,
                true,
            ),
            (
                columns().node("Transpose", &["w"], &["t"], &[]).node(
                    "Gemm",
                    &["x", "t"],
                    &["y"],
                    &[int_attribute("transB", 1)],
                ),
                &turned,
                false,
            ),
        ];
        for (sample, wanted, computed) in cases {
            let staged = staged(&sample);
            let (graph, weight) = (&staged.model.graph, &staged.stages[0].layer().unwrap().weight);
            assert_eq!(graph.scaled.contains_key(weight), computed);
            assert_eq!(&graph.constant(weight).unwrap().to_f32().unwrap(), wanted);
            round_trip(&staged, &specs(&staged, 3));
        }
    }
}

#[test]
fn folded_normalizations_there_and_back() {
    for group in [1, 4] {
        let mut sample = Sample::new(&[("x", &[1, 4, 8, 8])], &["y"])
            .counting("w1", &[64, 4 / group, 3, 3])
            .counting("b1", &[64])
            .counting("w2", &[5, 64, 1, 1]);
        for name in ["beta", "mean"] {
            sample = sample.counting(name, &[64]);
        }
        let fives = Tensor::from_f32(vec![64], &[5.0; 64]).unwrap();
        let staged = staged(
            &sample
                .tensor("five", fives)
                .node("Conv", &["x", "w1", "b1"], &["c1"], &[int_attribute("group", group as i64)])
                .node("BatchNormalization", &["c1", "mean", "beta", "mean", "five"], &["n1"], &[])
                .node("Relu", &["n1"], &["r1"], &[])
                .node("Conv", &["r1", "w2"], &["y"], &[]),
        );
        let names: Vec<&str> = staged.values.iter().map(|v| v.name.as_str()).collect();
        // Rows of the first are from 0 to 64 times as large as each other, times
        // as many. A convolution in groups is glue, with computed weights all
        // the same.
        assert_eq!(names, if group == 1 { &["x", "conv_0/even", "y"][..] } else { &["x", "y"] });
        let specs = specs(&staged, 3);
        round_trip(&staged, &specs);
        if group == 1 {
            continue;
        }
        let layout = lay_out(&staged, &specs, "weights.bin").unwrap();
        let file = write(&layout);
        for task in 0..4 {
            assert_eq!(layout.tasks[task].constants, layout.tasks[0].constants, "stored once");
            let task = read_back(&layout, task, &file);
            let got = task.graph.initializers["conv_0_weight"].to_f32().unwrap();
            let g = |row: usize| (row as f64 / (5.0 + f64::from(1e-5f32)).sqrt()) as f32;
            let wanted: Vec<f32> = (0..64 * 9).map(|i| i as f32 * g(i / 9)).collect();
            assert_eq!(got, wanted);
        }
    }
}

#[test]
fn pieces_join() {
    // Rows of 1 MiB and more, so that each is a piece of its own, and rows of
    // which a piece holds several but not all.
    for (rows, row_len) in [(5, 300_000), (700, 1000)] {
        let sample = Sample::new(&[("x", &[1, row_len])], &["y"])
            .counting("w", &[row_len, rows])
            .node("Gemm", &["x", "w"], &["y"], &[]);
        let staged = staged(&sample);
        round_trip(&staged, &specs(&staged, 2));
    }
}

#[test]
fn bias_forms() {
    let parts = [data(2..4), parity(&[1.0, 10.0, 100.0], Arc::new(Rows(vec![0..2, 2..4, 4..5])))];
    // The bias's values are 0, 1, 2, ... by position.
    type Bias = (&'static [usize], &'static [f32]);
    let cases: [(&[usize], [Bias; 2]); 6] = [
        (&[], [(&[2], &[0., 0.]), (&[2], &[0., 0.])]),
        (&[1], [(&[2], &[0., 0.]), (&[2], &[0., 0.])]),
        (&[5], [(&[2], &[2., 3.]), (&[2], &[420., 31.])]),
        (&[1, 5], [(&[2], &[2., 3.]), (&[2], &[420., 31.])]),
        (&[2, 1], [(&[2, 2], &[0., 0., 1., 1.]), (&[2, 2], &[0., 0., 111., 11.])]),
        (&[2, 5], [(&[2, 2], &[2., 3., 7., 8.]), (&[2, 2], &[420., 31., 975., 86.])]),
    ];
    for (shape, expected) in cases {
        let sample = Sample::new(&[("x", &[2, 3])], &["y"])
            .counting("w", &[3, 5])
            .counting("c", shape)
            .node("Gemm", &["x", "w", "c"], &["y"], &[]);
        let staged = staged(&sample);
        for (part, (shape, values)) in parts.iter().zip(expected) {
            let specs = [stage("t", 0, part.clone())];
            let layout = lay_out(&staged, &specs, "weights.bin").unwrap();
            let model = read_back(&layout, 0, &write(&layout));
            let bias = &model.graph.initializers[&model.graph.nodes[0].inputs[2]];
            assert_eq!(bias.shape(), shape);
            assert_eq!(bias.to_f32().unwrap(), values);
        }
    }
}

/// Offset of the weights in each task file.
fn offsets(layout: &Layout<'_>) -> Vec<u64> {
    let offset = |i: usize| match layout.tasks[i].weight {
        Some(Place::File { offset, .. }) => offset,
        _ => panic!("task {i} has no weights in the file"),
    };
    (0..layout.tasks()).map(offset).collect()
}

#[test]
fn rows_are_shared() {
    let sample = Sample::new(&[("x", &[1, 3])], &["y"]).counting("w", &[3, 100]).node(
        "Gemm",
        &["x", "w"],
        &["y"],
        &[],
    );
    let staged = staged(&sample);
    let parity = |c: f64| parity(&[1.0, c], Arc::new(Rows(vec![0..50, 50..100])));
    let row = 3 * 4;
    // Parts, the offsets of their weights, and the file's length.
    let cases: Vec<(Vec<Part>, Vec<u64>, u64)> = vec![
        (vec![data(0..50), data(25..75)], vec![0, 25 * row], 75 * row),
        (vec![data(10..20), data(0..100)], vec![10 * row, 0], 100 * row),
        (vec![data(0..50), data(50..100)], vec![0, 640], 640 + 50 * row),
        (vec![data(60..100), data(0..40)], vec![512, 0], 512 + 40 * row),
        (vec![parity(1.0), parity(1.0)], vec![0, 0], 50 * row),
        (vec![parity(1.0), parity(2.0)], vec![0, 640], 640 + 50 * row),
    ];
    for (parts, wanted, len) in cases {
        let specs: Vec<TaskSpec> =
            parts.into_iter().enumerate().map(|(i, p)| stage(&format!("t{i}"), 0, p)).collect();
        let layout = lay_out(&staged, &specs, "weights.bin").unwrap();
        assert_eq!(offsets(&layout), wanted);
        assert_eq!(layout.weights_len(), len);
        assert!(layout.blocks.iter().all(|b| b.offset % ALIGN_BYTES == 0));
        round_trip(&staged, &specs);
    }
}

#[test]
fn glue_constants_are_stored_once() {
    let sample = Sample::new(&[("x", &[1, 1000])], &["y"])
        .counting("k", &[1, 1000])
        .counting("w", &[1000, 2])
        .node("Add", &["x", "k"], &["a"], &[])
        .node("Gemm", &["a", "w"], &["y"], &[]);
    let staged = staged(&sample);
    let specs = [stage("a", 0, data(0..1)), stage("b", 0, data(1..2))];
    let layout = lay_out(&staged, &specs, "weights.bin").unwrap();
    let constants: Vec<_> = layout.tasks.iter().map(|t| t.constants["k"].clone()).collect();
    assert_eq!(constants[0], constants[1]);
    let row = 4000u64.next_multiple_of(ALIGN_BYTES);
    assert_eq!(layout.weights_len(), 2 * row + 4000);
    round_trip(&staged, &specs);
}

#[test]
fn outputs_pass_through() {
    let mut sample = Sample::new(&[("x", &[1, 3])], &["h", "y", "x", "k"])
        .counting("w", &[3, 5])
        .counting("k", &[2])
        .node("Gemm", &["x", "w"], &["h"], &[])
        .node("Relu", &["h"], &["y"], &[]);
    let staged = staged(&sample);
    let layout = lay_out(&staged, &[output()], "weights.bin").unwrap();
    let model = read_back(&layout, 0, &Bytes::new());
    assert_eq!(model.graph.inputs, ["x_wire", "h_wire"]);
    assert_eq!(model.graph.outputs, ["h", "y", "x", "k"]);
    let kept: BTreeMap<_, _> =
        layout.task_inputs(0).unwrap().into_iter().map(|v| (v.name, v.shape)).collect();
    assert_eq!(kept["h_wire"], [1, 5]);

    // A value that already has the name which would be taken.
    sample = sample.node("Neg", &["y"], &["h_wire"], &[]);
    sample.graph().output[1].name = Some("h_wire".to_owned());
    let staged = self::staged(&sample);
    let layout = lay_out(&staged, &[output()], "weights.bin").unwrap();
    assert_eq!(read_back(&layout, 0, &Bytes::new()).graph.inputs, ["x_wire", "h_wire_"]);
}

#[test]
fn refusals() {
    let staged = Staged::new(Model::read(Bytes::from_static(LENET), &Limits::default()).unwrap());
    let staged = staged.unwrap();
    let rows = |rows: Range<usize>| stage("t", 0, data(rows));
    let sum = |division: Arc<dyn Division>| {
        let ones = vec![1.0; division.shards()];
        stage("t", 0, parity(&ones, division))
    };
    let tiles =
        |boxes: Vec<Vec<Range<usize>>>| -> Arc<dyn Division> { Arc::new(Tiles::apart(boxes)) };
    let tile = |s: usize, tile: Vec<Range<usize>>| stage("t", s, Part::data(tiles(vec![tile]), 0));
    let two = Arc::new(Code::sum(2).unwrap());
    let cases: Vec<(Vec<TaskSpec>, &str)> = vec![
        (vec![output(), output()], "two tasks have it"),
        (vec![stage("a/b", 0, data(0..1))], "separates folders"),
        (vec![stage("", 0, data(0..1))], "it is empty"),
        (vec![stage("t", 5, data(0..1))], "task t is for stage 5, the model has 5"),
        (vec![rows(0..7)], "rows 0..7 are none of layer /conv1/Conv's 6 rows"),
        (vec![rows(3..3)], "rows 3..3"),
        (vec![stage("t", 0, Part::data(Arc::new(Rows(vec![])), 0))], "data shard 0 of 0"),
        (
            vec![stage("t", 0, Part::parity(Arc::new(Rows(vec![])), two.clone(), 0))],
            "another number",
        ),
        (
            vec![stage("t", 0, Part::parity(Arc::new(Terms(vec![0..1, 1..2])), two, 0))],
            "no combination",
        ),
        (vec![sum(Arc::new(Rows(vec![0..3, 3..9])))], "rows 3..9"),
        (vec![stage("t", 0, term(0..2))], "columns 0..2 are none of layer"),
        (
            vec![tile(0, vec![0..4, 0..2, 0..1])],
            "tile 0..4 x 0..2 x 0..1 of layer /conv1/Conv: none of its [28, 28] outputs",
        ),
        (vec![tile(0, vec![0..4, 0..29])], "none of its [28, 28] outputs"),
        (vec![tile(2, vec![0..1, 0..1])], "only convolutions are divided into tiles"),
        (vec![sum(tiles(vec![vec![0..2, 0..28], vec![2..5, 0..28]]))], "has tiles of unlike sizes"),
    ];
    for (specs, message) in cases {
        let error = lay_out(&staged, &specs, "weights.bin").unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    assert!(lay_out(&staged, &[], "../w").is_err());
    // Nothing, and what is no number, make no code to combine by.
    assert!(Code::from_generator(0, &[]).is_err());
    assert!(Code::from_generator(1, &[f64::NAN]).is_err());
}
