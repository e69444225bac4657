//! The graph in Graphviz's language.

use std::fmt::Write;

use super::graph::{Graph, Look};

/// `graph` for `dot` to lay out.
pub(crate) fn dot(graph: &Graph) -> String {
    let mut out = format!("digraph {} {{\n", quoted(&[&graph.model]));
    let _ = writeln!(out, "  label={}; labelloc=t;", quoted(&[&graph.heading]));
    out += "  node [shape=box, style=filled, fontname=\"sans-serif\", fontsize=11];\n";
    out += "  edge [fontname=\"sans-serif\", fontsize=9, color=\"#64748b\"];\n";
    for (index, node) in graph.nodes.iter().enumerate() {
        let lines: Vec<&str> =
            [&node.name].into_iter().chain(&node.lines).map(String::as_str).collect();
        let look = match node.look {
            Look::Border => "fillcolor=\"#ffedd5\", style=\"filled,rounded\"",
            Look::Conv => "fillcolor=\"#dbeafe\"",
            Look::Fc => "fillcolor=\"#dcfce7\"",
            Look::Whole => "fillcolor=\"#f1f5f9\", style=\"filled,dashed\"",
        };
        let _ = writeln!(out, "  n{index} [label={}, {look}];", quoted(&lines));
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        for &value in &node.reads {
            let wire = &graph.wires[value];
            let label = quoted(&[&wire.shape, &wire.bytes]);
            let _ = writeln!(out, "  n{value} -> n{index} [label={label}];");
        }
    }
    out + "}\n"
}

/// A string of several lines; nothing in them ends it or begins an escape.
fn quoted(lines: &[&str]) -> String {
    let one = |line: &&str| {
        let plain = line.replace(|c: char| c.is_control(), " ");
        plain.replace('\\', "\\\\").replace('"', "\\\"")
    };
    format!("\"{}\"", lines.iter().map(one).collect::<Vec<_>>().join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes() {
        let cases: [(&[&str], &str); 4] = [
            (&["a", "b"], r#""a\nb""#),
            (&["<a>&"], r#""<a>&""#),
            (&[r#"say "n" \n"#], r#""say \"n\" \\n""#),
            (&["a\nb"], r#""a b""#),
        ];
        for (lines, expected) in cases {
            assert_eq!(quoted(lines), expected);
        }
    }
}
