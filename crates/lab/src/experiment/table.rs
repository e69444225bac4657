//! A table of results.

use serde::{Deserialize, Serialize};

/// One cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// A count.
    Count(i64),
    /// A number; one that is not finite is read back as nothing.
    Number(f64),
    /// Words.
    Text(String),
    /// Nothing.
    #[default]
    Empty,
}

impl From<f64> for Cell {
    fn from(number: f64) -> Cell {
        Cell::Number(number)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Cell {
        Cell::from(count as u64)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Cell {
        i64::try_from(count).map_or(Cell::Number(count as f64), Cell::Count)
    }
}

impl From<i64> for Cell {
    fn from(count: i64) -> Cell {
        Cell::Count(count)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(maybe: Option<T>) -> Cell {
        maybe.map_or(Cell::Empty, Into::into)
    }
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// What it is.
    pub name: String,
    /// What it is measured in; empty for words and plain counts.
    pub unit: String,
}

/// A table of results, `NAME.csv` in the experiment's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Name of its file: lower-case letters, digits and `-`.
    pub name: String,
    /// What it says.
    pub title: String,
    /// Were its numbers measured by a clock, so that they differ from run to
    /// run?
    pub measured: bool,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, each with a cell a column.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows, of columns given by name and unit.
    pub fn new(name: &str, title: &str, columns: &[(&str, &str)]) -> Table {
        let column = |(name, unit): &(&str, &str)| Column {
            name: (*name).to_owned(),
            unit: (*unit).to_owned(),
        };
        Table {
            name: name.to_owned(),
            title: title.to_owned(),
            measured: false,
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// The same table, marked as measured by a clock.
    pub fn measured(mut self) -> Table {
        self.measured = true;
        self
    }

    /// Adds a row.
    ///
    /// # Panics
    ///
    /// Where it has not a cell a column.
    pub fn push(&mut self, row: Vec<Cell>) {
        let (got, columns) = (row.len(), self.columns.len());
        assert_eq!(got, columns, "table {}: a row of {got} cells, {columns} columns", self.name);
        self.rows.push(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_from_json_as_they_were() {
        let cells = [
            Cell::from(3_usize),
            Cell::from(4.0),
            Cell::from(-0.25),
            Cell::from("a \"b\""),
            Cell::from(None::<f64>),
            Cell::from(u64::MAX),
        ];
        for cell in cells {
            let text = serde_json::to_string(&cell).unwrap();
            assert_eq!(serde_json::from_str::<Cell>(&text).unwrap(), cell, "{text}");
        }
    }

    #[test]
    #[should_panic(expected = "table t: a row of 1 cells, 2 columns")]
    fn rows_have_a_cell_a_column() {
        Table::new("t", "", &[("a", ""), ("b", "ms")]).push(vec![Cell::Empty]);
    }
}
