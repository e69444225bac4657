use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use prost::Message;
use quorate_model::onnx::{
    self, AttributeProto, GraphProto, NodeProto, ValueInfoProto, inline_tensor, int_attribute,
    ints_attribute, value_info,
};
use quorate_model::tensor::DType;

use super::*;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn lenet() -> ModelFile {
    ModelFile::open(&repository("assets/lenet5.onnx")).unwrap()
}

fn lstm() -> ModelFile {
    ModelFile::open(&repository("crates/engine/tests/golden/recurrent/lstm.onnx")).unwrap()
}

/// ```text
/// x -> Conv a -+-> Conv b -+-> Concat -+-> Conv d -+
///              +-> Conv c -+           +-> Conv e -> Add -> y
///                                      +-> Conv f -> GlobalAveragePool p
/// ```
fn branching() -> ModelFile {
    let conv = |name: &str, from: &str, to: &str, weight: &str| NodeProto {
        name: Some(name.to_owned()),
        op_type: Some("Conv".to_owned()),
        input: vec![from.to_owned(), weight.to_owned()],
        output: vec![to.to_owned()],
        attribute: vec![ints_attribute("kernel_shape", &[1, 1])],
        ..Default::default()
    };
    let glue = |op: &str, from: &[&str], to: &str, attribute: Vec<AttributeProto>| NodeProto {
        name: Some(op.to_owned()),
        op_type: Some(op.to_owned()),
        input: from.iter().map(|s| s.to_string()).collect(),
        output: vec![to.to_owned()],
        attribute,
        ..Default::default()
    };
    let weight = |name: &str, channels: usize| {
        let shape = [4, channels, 1, 1];
        inline_tensor(name, DType::F32, &shape, vec![0; 16 * channels].into())
    };
    let output = |name: &str| ValueInfoProto { name: Some(name.into()), ..Default::default() };
    let graph = GraphProto {
        input: vec![value_info("x", DType::F32, &[1, 4, 6, 6])],
        output: vec![output("y"), output("p")],
        initializer: vec![weight("w", 4), weight("w8", 8)],
        node: vec![
            conv("a <\"first\"> & 'only'", "x", "a", "w"),
            conv("b\\n]]>", "a", "b", "w"),
            conv(&"long ".repeat(20), "a", "c", "w"),
            glue("Concat", &["b", "c"], "k", vec![int_attribute("axis", 1)]),
            conv("d", "k", "d", "w8"),
            conv("e", "k", "e", "w8"),
            glue("Add", &["d", "e"], "y", vec![]),
            conv("f", "k", "f", "w8"),
            glue("GlobalAveragePool", &["f"], "p", vec![]),
        ],
        ..Default::default()
    };
    let proto = onnx::model(graph, 17);
    let name = "<branching>.onnx".to_owned();
    ModelFile::new(name, proto.encode_to_vec().into(), Path::new(".")).unwrap()
}

/// Names of the tags of an XML document, each of which must be closed.
fn tags(xml: &str) -> Vec<String> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        assert!(all.is_empty() || !open.is_empty() || text.trim().is_empty(), "{text}");
        assert_entities(text);
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default().to_owned();
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        assert_entities(tag);
        if !tag.ends_with('/') {
            open.push(name.clone());
        }
        all.push(name);
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} left open, then {rest}");
    all
}

fn assert_entities(text: &str) {
    let known = ["amp;", "lt;", "gt;", "quot;", "apos;"];
    let after = text.split('&').skip(1);
    after.for_each(|word| assert!(known.iter().any(|name| word.starts_with(name)), "{text}"));
}

#[test]
fn dot_of_lenet() {
    let text = draw(&lenet(), Form::Dot).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(lines[0], "digraph \"lenet5.onnx\" {");
    assert_eq!(lines.last(), Some(&"}"));
    let boxes = |line: &&&str| line.starts_with('n') && line.contains("fillcolor");
    assert_eq!(lines.iter().filter(boxes).count(), 7, "the input, 5 stages, the output");
    let conv = r##"n1 [label="/conv1/Conv\nconv 2-D\ncoded: channel, spatial at run time\n156 params, 235.2k FLOPs", fillcolor="#dbeafe"];"##;
    assert!(lines.contains(&conv), "{text}");
    let edges: Vec<&&str> = lines.iter().filter(|line| line.contains("->")).collect();
    let expected = [
        r#"n0 -> n1 [label="1x1x28x28 f32\n3.1 kB"];"#,
        r#"n1 -> n2 [label="1x6x28x28 f32\n18.8 kB"];"#,
        r#"n2 -> n3 [label="1x16x10x10 f32\n6.4 kB"];"#,
        r#"n3 -> n4 [label="1x120 f32\n480 B"];"#,
        r#"n4 -> n5 [label="1x84 f32\n336 B"];"#,
        r#"n5 -> n6 [label="1x10 f32\n40 B"];"#,
    ];
    assert_eq!(edges, expected.iter().collect::<Vec<_>>());
}

#[test]
fn drawings_are_whole() {
    for model in [lenet(), branching(), lstm()] {
        let text = draw(&model, Form::Svg).unwrap();
        let tags = tags(&text);
        assert_eq!(tags[0], "svg");
        for stage in &model.staged.stages {
            let name = svg::escape(&stage.name);
            assert!(text.contains(&format!("<title>{name}</title>")), "{name}: {text}");
        }
        let names = model.staged.values.iter().map(|value| svg::escape(&value.name));
        names.for_each(|name| assert!(text.contains(&name), "{name}"));
    }
}

/// No box over another, nothing beside the paper, each line ends at a box or
/// a join.
#[test]
fn boxes_lie_apart() {
    let chain = |n: usize| (0..n).map(|i| i.checked_sub(1).into_iter().collect()).collect();
    let dense = |n: usize| (0..n).map(|i| (0..i).collect()).collect();
    let wide = |n: usize| {
        (0..=2 * n)
            .map(|i| {
                if i == 0 {
                    vec![]
                } else if i < n {
                    vec![0]
                } else {
                    (1..n).collect()
                }
            })
            .collect()
    };
    let cases: [Vec<Vec<usize>>; 6] = [
        chain(1),
        chain(5),
        dense(9),
        wide(6),
        vec![vec![]; 3],
        vec![vec![], vec![], vec![0], vec![2, 1]],
    ];
    for reads in cases {
        let sizes: Vec<(f64, f64)> =
            (0..reads.len()).map(|i| (60.0 + (i % 3) as f64 * 40.0, 50.0)).collect();
        let layout = layout::layout(&sizes, &reads);
        let (width, height) = layout.size;
        let corners: Vec<_> = (layout.boxes.iter().zip(&sizes))
            .map(|(&(x, y), &(w, h))| (x - w / 2.0, y, x + w / 2.0, y + h))
            .collect();
        for (i, a) in corners.iter().enumerate() {
            assert!(a.0 >= 0.0 && a.1 >= 0.0 && a.2 <= width && a.3 <= height, "{reads:?}");
            for b in &corners[..i] {
                let apart = a.0 >= b.2 || b.0 >= a.2 || a.1 >= b.3 || b.1 >= a.3;
                assert!(apart, "{reads:?}: {a:?} {b:?}");
            }
        }
        let arrows = layout.lines.iter().filter(|line| line.arrow).count();
        let joined = reads.iter().filter(|set| !set.is_empty()).count();
        assert!(arrows >= joined, "{reads:?}");
        for (x, y) in layout.lines.iter().flat_map(|line| &line.points) {
            assert!((0.0..=width).contains(x) && (0.0..=height).contains(y), "{reads:?}");
        }
    }
}

#[test]
fn pooling_and_cells_are_told() {
    let model = branching();
    let text = page::page(&model, 4);
    assert!(text.contains("  f: 1x4x6x6 by GlobalAveragePool to 1x4x1x1"), "{text}");
    let all = object::object(&model, 4);
    let stage = |name: &str| {
        let stages = all["stages"].as_array().unwrap().iter();
        stages.clone().find(|stage| stage["name"] == name).cloned().unwrap()
    };
    let methods = |name: &str| {
        let methods = stage(name)["methods"].as_array().unwrap().clone();
        methods.iter().map(|m| m["method"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(methods("d"), ["channel", "spatial", "filter", "bands"]);
    assert_eq!(methods("f"), ["channel", "filter"], "a tile of what is pooled is no part of it");
    assert_eq!(stage("f")["pooled_before_send"][0], "GlobalAveragePool");
    let model = lstm();
    let text = page::page(&model, 4);
    let whole: BTreeSet<&str> = model
        .staged
        .stages
        .iter()
        .filter(|s| s.layer().is_none())
        .map(|s| s.name.as_str())
        .collect();
    assert!(!whole.is_empty());
    for name in whole {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.contains("LSTM cell"), "{line}");
    }
    assert!(text.matches("at no border of a stage").count() <= 1, "{text}");
}

/// By columns, by rows, by area: a quarter, as near as it goes.
#[test]
fn parts_of_four_devices() {
    let all = object::object(&lenet(), 4);
    let part = |stage: usize, method: usize| {
        let method = &all["stages"][stage]["methods"][method];
        let number = |key: &str| method[key].as_u64().unwrap();
        (number("shards"), number("shard_flops"), number("shard_weight_bytes"))
    };
    // conv1 makes 6 channels of 28x28, each from 1 channel by 5x5.
    let each = 28 * 28 * 25 * 2;
    assert_eq!(part(0, 0), (4, 2 * each, 2 * 25 * 4), "channel");
    assert_eq!(part(0, 1), (4, 6 * each / 4, 6 * 25 * 4), "spatial");
    assert_eq!(part(0, 2), (1, 6 * each, 6 * 25 * 4), "filter: there is one");
    // fc1 makes 120 of 400.
    assert_eq!(part(2, 0), (4, 30 * 400 * 2, 30 * 400 * 4), "output");
    assert_eq!(part(2, 1), (4, 120 * 100 * 2, 120 * 100 * 4), "input");
}

#[test]
fn forms() {
    use clap::Parser;
    let ask = |words: &str| {
        let words = ["quorate", "inspect", "m.onnx"].into_iter().chain(words.split_whitespace());
        let cli::Command::Inspect(args) = cli::Cli::try_parse_from(words).unwrap().command else {
            panic!("another command");
        };
        form(&args).map_err(|error| error.to_string())
    };
    let cases = [
        ("", Ok(None)),
        ("--dot", Ok(Some(Form::Dot))),
        ("--svg -o -", Ok(Some(Form::Svg))),
        ("-o a.SVG", Ok(Some(Form::Svg))),
        ("-o a.gv", Ok(Some(Form::Dot))),
        ("--dot -o a.txt", Ok(Some(Form::Dot))),
    ];
    for (words, expected) in cases {
        assert_eq!(ask(words), expected, "{words}");
    }
    for (words, expected) in
        [("-o x.png", "end in .svg"), ("-o x", ".dot or .gv"), ("--dot -o a.svg", "another form")]
    {
        assert!(ask(words).unwrap_err().contains(expected), "{words}");
    }
}
