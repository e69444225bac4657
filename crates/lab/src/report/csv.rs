//! A table as CSV (RFC 4180, lines ended by LF).

use std::fmt::Write as _;

use crate::experiment::{Cell, Table};

/// The table: a line of column names with their units, then its rows.
pub(super) fn csv(table: &Table) -> String {
    let mut out = String::new();
    let head = table.columns.iter().map(|column| match column.unit.as_str() {
        "" => column.name.clone(),
        unit => format!("{} ({unit})", column.name),
    });
    line(&mut out, head);
    for row in &table.rows {
        line(&mut out, row.iter().map(field));
    }
    out
}

fn field(cell: &Cell) -> String {
    match cell {
        Cell::Count(count) => count.to_string(),
        Cell::Number(number) => number.to_string(),
        Cell::Text(text) => text.clone(),
        Cell::Empty => String::new(),
    }
}

fn line(out: &mut String, fields: impl Iterator<Item = String>) {
    for (at, field) in fields.enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let _ = match field.contains(['"', ',', '\n', '\r']) {
            true => write!(out, "{comma}\"{}\"", field.replace('"', "\"\"")),
            false => write!(out, "{comma}{field}"),
        };
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_and_quotes_are_quoted() {
        let mut table = Table::new("t", "", &[("what", ""), ("p50, all", "ms")]);
        table.push(vec!["say \"a\"".into(), 0.5.into()]);
        table.push(vec![Cell::Empty, 12_usize.into()]);
        assert_eq!(csv(&table), "what,\"p50, all (ms)\"\n\"say \"\"a\"\"\",0.5\n,12\n");
    }
}
