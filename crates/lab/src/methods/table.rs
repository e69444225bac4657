//! The table as Markdown, and read back.

use super::row::{Columns, NAMES, Row};
use crate::zoo::Size;

/// Above the table.
const HEAD: &str = "\
# Methods

Every way to divide a layer, on every model, with devices lost, held against
ONNX Runtime's answers.

`cargo run --release -p quorate-lab -- methods -o docs/methods.md` makes this
file. `cargo test -p quorate-lab --test methods` runs every trial again and fails
where a row is missing, is one too many, says anything else, or has too large an
error.

An error is max |a - b| / max |b| over the answer, b being what ONNX Runtime
gives for the same file and input, and the worst of all cases. It is right up to
1e-4 with one spare and up to 1e-3 with two, as decoding two losses enlarges
rounding errors. Errors vary from one processor to the next: tests hold them
against these limits, not against this file.

- **model**: `lenet5` to `alexnet_features` have trained weights (`lenet5` is in
  `assets`, the others have to be in `../shared/data` for the tests to run
  them); the others are `quorate-lab zoo NAME --small`.
- **method**: how the layers of this kind are divided; layers of other kinds are
  divided as `quorate plan` does by default. `cell whole`: the steps of a
  recurrent cell are one stage. `by step`: each step's product is divided.
- **divided**: layers, or recurrent cells, for which the method is used.
  Convolutions of one channel a group, as MobileNet's, stay glue.
- **code**: what stands in for a lost shard. Parity weights are made before any
  request, or inputs are combined for each request, or there are replicas.
- **cases**: losses that were tried, all there are: no device, each one, and with
  two spares each pair.

";

/// The file, of trials with the zoo in `size`.
pub fn render(rows: &[Row], size: Size) -> String {
    let rows: Vec<Columns> = rows.iter().map(Row::columns).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].len());
        cells.fold(NAMES[column].len(), usize::max)
    };
    let line = |texts: [&str; NAMES.len()]| {
        let texts = texts.iter().enumerate().map(|(n, text)| format!("{text:0$}", width(n)));
        format!("| {} |\n", texts.collect::<Vec<_>>().join(" | "))
    };
    let rule: [String; NAMES.len()] = std::array::from_fn(|column| "-".repeat(width(column)));
    let head = if size == Size::Full { HEAD.replace(" --small", "") } else { HEAD.to_owned() };
    let mut text = head + &line(NAMES) + &line(rule.each_ref().map(String::as_str));
    for row in &rows {
        text += &line(row.each_ref().map(String::as_str));
    }
    text
}

/// The rows of the file that [`render`] makes.
pub fn read(text: &str) -> Vec<Columns> {
    let lines = text.lines().filter(|line| line.starts_with('|')).skip(2);
    let columns = |line: &str| -> Option<Columns> {
        let inner = line.trim_matches('|').split('|').map(|text| text.trim().to_owned());
        inner.collect::<Vec<_>>().try_into().ok()
    };
    lines.filter_map(columns).collect()
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::row;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let rows = [row(4.4e-7), row(0.0)];
        let columns: Vec<Columns> = rows.iter().map(Row::columns).collect();
        assert_eq!(read(&render(&rows, Size::Small)), columns);
        let text = "lenet5/conv 2-D/channel/4 + 1/2 of 2 layers/coded offline/6/4e-7";
        assert_eq!(columns[0].join("/"), text);
    }
}
