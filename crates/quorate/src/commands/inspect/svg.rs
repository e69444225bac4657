//! The graph as a drawing: one SVG file that needs no other.

use std::fmt::Write;

use super::graph::{Graph, Look, Node};
use super::layout::{Layout, Line, Point, layout};

/// Size of a name's letters and of all others, in pixels.
const NAME: f64 = 12.0;
const SMALL: f64 = 11.0;
/// Width of a letter over its size, on the generous side: whose fonts will
/// show the drawing is not known.
const LETTER: f64 = 0.63;
/// Distance of lines of text.
const LEADING: f64 = 14.0;
/// Longest name that is shown in full.
const NAME_MAX: usize = 36;
/// Height of what is said above the graph.
const HEAD: f64 = 58.0;
/// Narrowest drawing.
const WIDTH_MIN: f64 = 480.0;

/// `graph` drawn.
pub(crate) fn svg(graph: &Graph) -> String {
    let sizes: Vec<Point> =
        graph.nodes.iter().enumerate().map(|(i, n)| size(graph, i, n)).collect();
    let reads: Vec<Vec<usize>> = graph.nodes.iter().map(|node| node.reads.clone()).collect();
    let layout = layout(&sizes, &reads);
    let head = letters(&graph.heading) * 14.0 * LETTER + 40.0;
    let width = layout.size.0.max(WIDTH_MIN).max(head).ceil();
    let height = (layout.size.1 + HEAD).ceil();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" \
         font-size=\"{SMALL}\">\n"
    );
    let _ = writeln!(out, "<title>{}</title>", escape(&graph.model));
    let _ = writeln!(out, "<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>");
    legend(&mut out, graph, !layout.joins.is_empty());
    let left = (width - layout.size.0) / 2.0;
    let _ = writeln!(out, "<g transform=\"translate({left:.1} {HEAD})\">");
    lines(&mut out, &layout);
    for (index, node) in graph.nodes.iter().enumerate() {
        draw(&mut out, node, sizes[index], layout.boxes[index]);
    }
    labels(&mut out, graph, &layout, &sizes, &reads);
    out + "</g>\n</svg>\n"
}

/// Letters' worth of width of `text`: those of East Asia are twice as wide.
fn letters(text: &str) -> f64 {
    text.chars().map(|c| if c >= '\u{1100}' { 1.8 } else { 1.0 }).sum()
}

/// A box has room for its text, and below it for what its value says, which
/// stands to the right of the line.
fn size(graph: &Graph, index: usize, node: &Node) -> Point {
    let lines = node.lines.iter().map(|line| letters(line) * SMALL);
    // Names are bold.
    let text = lines.fold(letters(&shown(&node.name)) * NAME * 1.1, f64::max) * LETTER;
    let wire = graph.wires.get(index);
    let says = wire.map_or(0.0, |wire| letters(&wire.shape).max(letters(&wire.bytes)));
    let label = 2.0 * (says * SMALL * LETTER + 5.0);
    ((text + 20.0).max(label).ceil(), (node.lines.len() + 1) as f64 * LEADING + 10.0)
}

/// A name that fits: its beginning and its end.
fn shown(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= NAME_MAX {
        return name.to_owned();
    }
    let (first, last) = (&letters[..NAME_MAX / 2 - 1], &letters[letters.len() - NAME_MAX / 2..]);
    format!("{}…{}", first.iter().collect::<String>(), last.iter().collect::<String>())
}

/// Fill and stroke.
fn colours(look: Look) -> (&'static str, &'static str) {
    match look {
        Look::Border => ("#ffedd5", "#c2410c"),
        Look::Conv => ("#dbeafe", "#1d4ed8"),
        Look::Fc => ("#dcfce7", "#15803d"),
        Look::Whole => ("#f1f5f9", "#475569"),
    }
}

fn rect(out: &mut String, look: Look, (x, y): Point, (width, height): Point) {
    let (fill, stroke) = colours(look);
    let round = if look == Look::Border { height / 2.0 } else { 4.0 };
    let dashes = if look == Look::Whole { " stroke-dasharray=\"4 3\"" } else { "" };
    let _ = write!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         rx=\"{round:.1}\" fill=\"{fill}\" stroke=\"{stroke}\"{dashes}/>"
    );
}

fn legend(out: &mut String, graph: &Graph, joins: bool) {
    let heading = escape(&graph.heading);
    let _ = writeln!(
        out,
        "<text x=\"20\" y=\"26\" font-size=\"14\" font-weight=\"bold\">{heading}</text>"
    );
    let mut x = 20.0;
    let all = [
        (Look::Conv, "convolution"),
        (Look::Fc, "fully connected"),
        (Look::Whole, "whole: replicas only"),
    ];
    for (look, word) in
        all.into_iter().filter(|(look, _)| graph.nodes.iter().any(|n| n.look == *look))
    {
        rect(out, look, (x, 38.0), (14.0, 14.0));
        let _ = writeln!(out, "<text x=\"{}\" y=\"49\">{word}</text>", x + 20.0);
        x += 34.0 + letters(word) * SMALL * LETTER;
    }
    if joins {
        let _ = writeln!(
            out,
            "<circle cx=\"{}\" cy=\"45\" r=\"4\" fill=\"#475569\"/>\
             <text x=\"{}\" y=\"49\">read together</text>",
            x + 4.0,
            x + 14.0
        );
    }
}

fn lines(out: &mut String, layout: &Layout) {
    *out += "<g fill=\"none\" stroke=\"#64748b\">\n";
    for Line { points, .. } in &layout.lines {
        let _ = write!(out, "<path d=\"M{:.1} {:.1}", points[0].0, points[0].1);
        for step in points.windows(2) {
            let ((x0, y0), (x1, y1)) = (step[0], step[1]);
            if x0 == x1 {
                let _ = write!(out, "V{y1:.1}");
            } else {
                let middle = (y0 + y1) / 2.0;
                let _ = write!(out, "C{x0:.1} {middle:.1} {x1:.1} {middle:.1} {x1:.1} {y1:.1}");
            }
        }
        *out += "\"/>\n";
    }
    *out += "</g>\n<g fill=\"#475569\">\n";
    for line in layout.lines.iter().filter(|line| line.arrow) {
        let (x, y) = line.points[line.points.len() - 1];
        let _ = writeln!(out, "<path d=\"M{x:.1} {y:.1}l-3.5 -7h7z\"/>");
    }
    for (x, y) in &layout.joins {
        let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>");
    }
    *out += "</g>\n";
}

fn draw(out: &mut String, node: &Node, (width, height): Point, (x, y): Point) {
    let _ = write!(out, "<g text-anchor=\"middle\"><title>{}</title>", escape(&node.name));
    rect(out, node.look, (x - width / 2.0, y), (width, height));
    let mut line = y + LEADING + 1.0;
    let name = escape(&shown(&node.name));
    let _ = write!(
        out,
        "<text x=\"{x:.1}\" y=\"{line:.1}\" font-size=\"{NAME}\" font-weight=\"bold\">{name}</text>"
    );
    for text in &node.lines {
        line += LEADING;
        let _ = write!(out, "<text x=\"{x:.1}\" y=\"{line:.1}\">{}</text>", escape(text));
    }
    *out += "</g>\n";
}

/// What each value that is read says, beside its line.
fn labels(out: &mut String, graph: &Graph, layout: &Layout, sizes: &[Point], reads: &[Vec<usize>]) {
    *out += "<g fill=\"#334155\">\n";
    for (value, wire) in graph.wires.iter().enumerate() {
        if !reads.iter().any(|reads| reads.contains(&value)) {
            continue;
        }
        let (x, y) = (layout.boxes[value].0 + 5.0, layout.boxes[value].1 + sizes[value].1);
        let (shape, bytes) = (escape(&wire.shape), escape(&wire.bytes));
        let _ = writeln!(
            out,
            "<g><title>{}</title><text x=\"{x:.1}\" y=\"{:.1}\">{shape}</text>\
             <text x=\"{x:.1}\" y=\"{:.1}\">{bytes}</text></g>",
            escape(&wire.name),
            y + 12.0,
            y + 24.0
        );
    }
    *out += "</g>\n";
}

/// Text that ends no tag and no attribute; XML has no way to write most
/// control characters.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&apos;",
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
