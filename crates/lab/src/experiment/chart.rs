//! A chart: what is drawn, not how.

use serde::{Deserialize, Serialize};

/// How an axis is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// Each decade as long as the next. Points at 0 and below are not drawn.
    Log,
}

/// An axis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// What it shows.
    pub label: String,
    /// In what unit; empty for counts and shares.
    pub unit: String,
    /// How it is divided.
    pub scale: Scale,
    /// Names of the places 0, 1, 2, … where it shows things and not numbers.
    pub names: Vec<String>,
    /// Its least value; where there is none, that of the points.
    pub from: Option<f64>,
    /// Its largest value; where there is none, that of the points.
    pub until: Option<f64>,
}

impl Axis {
    /// An evenly divided axis.
    pub fn new(label: &str, unit: &str) -> Axis {
        Axis { label: label.to_owned(), unit: unit.to_owned(), ..Axis::default() }
    }

    /// The same, divided into decades.
    pub fn log(mut self) -> Axis {
        self.scale = Scale::Log;
        self
    }

    /// An axis of things: a point at 0 belongs to the first, at 1 to the
    /// second, and so on.
    pub fn named(label: &str, names: impl IntoIterator<Item = String>) -> Axis {
        Axis { names: names.into_iter().collect(), ..Axis::new(label, "") }
    }

    /// The same with this least value.
    pub fn from(mut self, least: f64) -> Axis {
        self.from = Some(least);
        self
    }

    /// The same with this largest value.
    pub fn until(mut self, largest: f64) -> Axis {
        self.until = Some(largest);
        self
    }
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeriesKind {
    /// Points joined by straight lines, in their order.
    Line,
    /// Points alone.
    Points,
    /// A bar up to each point. Bars of several series at one x stand side by
    /// side.
    Bars,
    /// From each point on, its y up to the next point: a distribution
    /// function, say.
    Steps,
    /// A bar from each point's x to the next one's: x is a bin's lower edge, y
    /// what is in it. The last point only ends the last bin.
    Histogram,
}

/// What belongs together in a chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it is, for the legend.
    pub name: String,
    /// How it is drawn.
    pub kind: SeriesKind,
    /// Its points, x and y. What is not finite is not drawn, and ends a line.
    #[serde(with = "points")]
    pub points: Vec<(f64, f64)>,
}

/// Points in JSON, which has no numbers that are not finite: they are null.
mod points {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        points: &[(f64, f64)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        points.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(f64, f64)>, D::Error> {
        let points = Vec::<(Option<f64>, Option<f64>)>::deserialize(deserializer)?;
        let number = |read: Option<f64>| read.unwrap_or(f64::NAN);
        Ok(points.into_iter().map(|(x, y)| (number(x), number(y))).collect())
    }
}

/// Where a mark's line is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Across, at this y.
    Horizontal(f64),
    /// Upright, at this x.
    Vertical(f64),
    /// Shaded from one x to another: how long something lasts.
    Span(f64, f64),
}

/// A dashed line with words at it: a value of the paper's, or a limit. Or a
/// span of x in which something was so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Its words.
    pub label: String,
    /// Where it is.
    pub at: Place,
}

/// A chart, `NAME.svg` in the experiment's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Name of its file: lower-case letters, digits and `-`.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// Across.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// What is drawn.
    pub series: Vec<Series>,
    /// Lines to hold it against.
    pub marks: Vec<Mark>,
}

impl Chart {
    /// An empty chart.
    pub fn new(name: &str, title: &str, x: Axis, y: Axis) -> Chart {
        let (name, title) = (name.to_owned(), title.to_owned());
        Chart { name, title, x, y, series: Vec::new(), marks: Vec::new() }
    }

    /// Adds a series.
    pub fn add(&mut self, name: &str, kind: SeriesKind, points: Vec<(f64, f64)>) {
        self.series.push(Series { name: name.to_owned(), kind, points });
    }

    /// Adds a mark.
    pub fn mark(&mut self, label: &str, at: Place) {
        self.marks.push(Mark { label: label.to_owned(), at });
    }
}
