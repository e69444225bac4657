//! A table on the page.

use maud::{Markup, html};

use crate::drawing;
use crate::experiment::{Cell, Column, Table};

/// The table, in a box of its own that scrolls where it is too wide.
pub(super) fn markup(experiment: &str, table: &Table) -> Markup {
    let file = format!("{experiment}/{}.csv", table.name);
    html! {
        div.box tabindex="0" role="region" aria-label=(table.title) {
            table {
                caption {
                    (table.title)
                    @if table.measured { " (measured by a clock: differs from run to run)" }
                    " " a.small href=(file) { (file) }
                }
                thead { tr { @for column in &table.columns { th scope="col" { (head(column)) } } } }
                tbody {
                    @for row in &table.rows {
                        tr { @for cell in row { (one(cell)) } }
                    }
                }
            }
        }
    }
}

fn head(column: &Column) -> String {
    match column.unit.as_str() {
        "" => column.name.clone(),
        unit => format!("{} ({unit})", column.name),
    }
}

fn one(cell: &Cell) -> Markup {
    let class = if matches!(cell, Cell::Text(_)) { "text" } else { "number" };
    html! { td.(class) { (words(cell)) } }
}

/// A cell in words; numbers as short as they are understood.
pub(super) fn words(cell: &Cell) -> String {
    match cell {
        Cell::Count(count) => drawing::grouped(&count.to_string()),
        Cell::Number(number) => drawing::words(*number),
        Cell::Text(text) => text.clone(),
        Cell::Empty => String::new(),
    }
}
