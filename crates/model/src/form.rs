//! In which form a node uses its operator: as much as decides whether an engine
//! that computes one such node right computes another right, too.

use crate::graph::{Graph, Node};
use crate::model::Model;

/// A node, and the form in which it uses its operator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Form {
    /// The form in words, the operator first: `Conv f32,f32,f32 2d grouped`.
    pub words: String,
    /// The node's name.
    pub node: String,
}

/// The forms of all nodes of `model`, in their order.
pub fn forms(model: &Model) -> Vec<Form> {
    let graph = &model.graph;
    let form = |node: &Node| Form { words: words(graph, node), node: node.name.clone() };
    graph.nodes.iter().map(form).collect()
}

fn words(graph: &Graph, node: &Node) -> String {
    let mut all = match node.is_standard() {
        true => node.op.clone(),
        false => format!("{}.{}", node.domain, node.op),
    };
    let of = |name: &String| graph.types.get(name).map_or("-".to_owned(), |t| t.dtype.to_string());
    let mut types: Vec<String> = node.inputs.iter().map(of).collect();
    // A chain of any length is one form.
    if node.op == "Concat" {
        types.truncate(1);
    }
    all.push(' ');
    all.push_str(&types.join(","));
    for word in details(graph, node) {
        all.push(' ');
        all.push_str(&word);
    }
    all
}

fn details(graph: &Graph, node: &Node) -> Vec<String> {
    let shape = |index: usize| {
        let of = node.input(index).and_then(|name| graph.types.get(name));
        of.map_or(&[][..], |t| t.shape.as_slice())
    };
    let computed =
        |index: usize| node.input(index).is_some_and(|name| graph.constant(name).is_none());
    let int = |name: &str, default: i64| node.int(name, default).unwrap_or(default);
    let mut words: Vec<&str> = Vec::new();
    match node.op.as_str() {
        "Conv" => {
            words.push(["0d", "1d", "2d", "3d"].get(shape(0).len() - 2).copied().unwrap_or("4d"));
            let group = int("group", 1);
            if group > 1 {
                let alone = shape(0).get(1) == Some(&(group as usize));
                words.push(if alone { "depthwise" } else { "grouped" });
            }
            if node.ints("dilations").ok().flatten().is_some_and(|d| d.iter().any(|&d| d > 1)) {
                words.push("dilated");
            }
            if computed(1) {
                words.push("computed");
            }
        }
        "MaxPool" | "AveragePool" => {
            words.push(["0d", "1d", "2d", "3d"].get(shape(0).len() - 2).copied().unwrap_or("4d"));
            if int("count_include_pad", 0) != 0 {
                words.push("counted");
            }
        }
        "Gather" | "GatherElements" | "GatherND" | "ScatterElements" | "ScatterND" => {
            words.push(if computed(1) { "computed" } else { "constant" });
            if node.text("reduction", "none").is_ok_and(|r| r != "none") {
                words.push("combined");
            }
        }
        "MatMul" => {
            if computed(1) && computed(0) {
                words.push("computed");
            }
            if shape(1).len() > 2 {
                words.push("stacked");
            }
        }
        "Gemm" => {
            words.extend((int("transA", 0) != 0).then_some("turned"));
            words.extend(computed(1).then_some("computed"));
        }
        "ArgMax" | "ArgMin" => words.extend((int("select_last_index", 0) != 0).then_some("last")),
        "TopK" => {
            words.extend((int("largest", 1) == 0).then_some("smallest"));
            words.extend((int("sorted", 1) == 0).then_some("unsorted"));
        }
        "Mod" => words.extend((int("fmod", 0) != 0).then_some("fmod")),
        "Softmax" | "LogSoftmax" => {
            let last = shape(0).len() as i64 - 1;
            words.extend((![-1, last].contains(&int("axis", -1))).then_some("inner"));
        }
        "Cast" => {
            let to = node.outputs.first().and_then(|name| graph.types.get(name));
            return vec![format!("to {}", to.map_or("-".to_owned(), |t| t.dtype.to_string()))];
        }
        _ => {}
    }
    words.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{int_attribute, ints_attribute};
    use crate::sample::Sample;

    #[test]
    fn a_form_says_what_matters() {
        let model = Sample::new(&[("x", &[1, 4, 9])], &["y"])
            .counting("w", &[4, 1, 3])
            .node(
                "Conv",
                &["x", "w"],
                &["c"],
                &[int_attribute("group", 4), ints_attribute("dilations", &[2])],
            )
            .node("Softmax", &["c"], &["s"], &[int_attribute("axis", 1)])
            .node("Cast", &["s"], &["y"], &[int_attribute("to", 7)])
            .read()
            .unwrap();
        let words: Vec<String> = forms(&model).into_iter().map(|form| form.words).collect();
        let wanted = ["Conv f32,f32 1d depthwise dilated", "Softmax f32 inner", "Cast f32 to i64"];
        assert_eq!(words, wanted);
    }
}
