//! A verdict: a number that was found, and whether it is as it ought to be.
//!
//! *Invariant:* whether a verdict holds follows from its number and its goal.
//! It is kept nowhere, and what a file says of it is not read.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::table::Cell;

/// What a number ought to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
    /// Between the two, both included.
    Between(f64, f64),
    /// The first, give or take the second.
    Equals(f64, f64),
}

impl Goal {
    /// Is `number` as it ought to be? One that is no number never is.
    pub fn holds(self, number: f64) -> bool {
        match self {
            Goal::AtMost(most) => number <= most,
            Goal::AtLeast(least) => number >= least,
            Goal::Between(least, most) => (least..=most).contains(&number),
            Goal::Equals(value, apart) => (number - value).abs() <= apart,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::AtMost(most) => write!(f, "at most {most}"),
            Goal::AtLeast(least) => write!(f, "at least {least}"),
            Goal::Between(least, most) => write!(f, "{least} to {most}"),
            Goal::Equals(value, 0.0) => write!(f, "{value}"),
            Goal::Equals(value, apart) => write!(f, "{value}, give or take {apart}"),
        }
    }
}

/// A number that was found, and what it ought to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "File", into = "File")]
pub struct Verdict {
    what: String,
    unit: String,
    paper: Cell,
    ours: f64,
    goal: Goal,
}

/// A verdict in a file. Whether it holds is written for people and programs,
/// and worked out anew by whoever reads it here.
#[derive(Serialize, Deserialize)]
struct File {
    what: String,
    unit: String,
    paper: Cell,
    /// Not finite numbers are no JSON.
    ours: Option<f64>,
    goal: Goal,
    #[serde(skip_deserializing)]
    holds: bool,
}

impl From<File> for Verdict {
    fn from(file: File) -> Verdict {
        let File { what, unit, paper, ours, goal, .. } = file;
        Verdict { what, unit, paper, ours: ours.unwrap_or(f64::NAN), goal }
    }
}

impl From<Verdict> for File {
    fn from(verdict: Verdict) -> File {
        let holds = verdict.holds();
        let Verdict { what, unit, paper, ours, goal } = verdict;
        File { what, unit, paper, ours: ours.is_finite().then_some(ours), goal, holds }
    }
}

impl Verdict {
    /// `what` was found to be `ours`.
    pub fn new(what: &str, ours: f64, goal: Goal) -> Verdict {
        let (what, unit) = (what.to_owned(), String::new());
        Verdict { what, unit, paper: Cell::Empty, ours, goal }
    }

    /// The same, in this unit.
    pub fn unit(mut self, unit: &str) -> Verdict {
        unit.clone_into(&mut self.unit);
        self
    }

    /// The same with the paper's number, or words.
    pub fn paper(mut self, paper: impl Into<Cell>) -> Verdict {
        self.paper = paper.into();
        self
    }

    /// What was looked at.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What the number is in; empty for counts and shares.
    pub fn unit_name(&self) -> &str {
        &self.unit
    }

    /// What the paper says; may be nothing.
    pub fn paper_says(&self) -> &Cell {
        &self.paper
    }

    /// What was found.
    pub fn ours(&self) -> f64 {
        self.ours
    }

    /// What it ought to be.
    pub fn goal(&self) -> Goal {
        self.goal
    }

    /// Is it as it ought to be?
    pub fn holds(&self) -> bool {
        self.goal.holds(self.ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_follows_from_number_and_goal() {
        let cases = [
            (Goal::AtMost(1.0), 1.0, true, "at most 1"),
            (Goal::AtMost(1.0), 1.01, false, "at most 1"),
            (Goal::AtMost(1.0), f64::NAN, false, "at most 1"),
            (Goal::AtMost(1.0), f64::INFINITY, false, "at most 1"),
            (Goal::AtLeast(0.35), 0.35, true, "at least 0.35"),
            (Goal::AtLeast(0.35), 0.34, false, "at least 0.35"),
            (Goal::AtLeast(0.35), f64::NAN, false, "at least 0.35"),
            (Goal::Between(2.0, 3.0), 2.0, true, "2 to 3"),
            (Goal::Between(2.0, 3.0), 3.0, true, "2 to 3"),
            (Goal::Between(2.0, 3.0), 3.5, false, "2 to 3"),
            (Goal::Between(2.0, 3.0), f64::NAN, false, "2 to 3"),
            (Goal::Equals(6.0, 0.0), 6.0, true, "6"),
            (Goal::Equals(6.0, 0.0), 6.0001, false, "6"),
            (Goal::Equals(2.4, 0.1), 2.49, true, "2.4, give or take 0.1"),
            (Goal::Equals(2.4, 0.1), f64::NAN, false, "2.4, give or take 0.1"),
        ];
        for (goal, ours, holds, words) in cases {
            assert_eq!(Verdict::new("x", ours, goal).holds(), holds, "{goal:?} of {ours}");
            assert_eq!(goal.to_string(), words);
        }
    }

    #[test]
    fn what_a_file_says_of_holding_is_not_believed() {
        let verdict = Verdict::new("slowdown", 3.0, Goal::AtMost(2.4)).paper(2.4).unit("times");
        let text = serde_json::to_string(&verdict).unwrap();
        assert!(text.contains("\"holds\":false"), "{text}");
        let lie = text.replace("\"holds\":false", "\"holds\":true");
        let read: Verdict = serde_json::from_str(&lie).unwrap();
        assert_eq!(read, verdict);
        assert!(!read.holds());
        let nothing = Verdict::new("x", f64::NAN, Goal::AtMost(1.0));
        let text = serde_json::to_string(&nothing).unwrap();
        assert!(!serde_json::from_str::<Verdict>(&text).unwrap().holds(), "{text}");
    }
}
