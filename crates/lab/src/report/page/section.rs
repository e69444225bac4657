//! An experiment on the page.

use maud::{Markup, PreEscaped, html};

use super::table;
use crate::drawing;
use crate::experiment::{Cell, Verdict};
use crate::report::log::{Ended, Entry, Log};
use crate::report::machine::Machine;
use crate::report::record::Record;

/// An experiment on the page.
pub(super) struct Section<'a> {
    /// What it is asked for by.
    pub(super) name: &'a str,
    /// What it is called.
    pub(super) title: &'a str,
    /// What is known of its last run.
    entry: Option<&'a Entry>,
    /// What came of it, and its charts; `None` if it has failed.
    made: Option<(&'a Record, Vec<String>)>,
}

impl<'a> Section<'a> {
    /// The section of an experiment that is done.
    pub(super) fn of(record: &'a Record, log: &'a Log) -> anyhow::Result<Section<'a>> {
        let charts = record.outcome.charts.iter().map(drawing::svg);
        let charts = charts.collect::<anyhow::Result<Vec<String>>>()?;
        let (name, title) = (record.name.as_str(), record.title.as_str());
        let entry = log.experiments.get(name);
        Ok(Section { name, title, entry, made: Some((record, charts)) })
    }

    /// The section of one that has failed.
    pub(super) fn failed(name: &'a str, title: &'a str, log: &'a Log) -> Section<'a> {
        Section { name, title, entry: log.experiments.get(name), made: None }
    }

    /// What came of it, in a few words.
    pub(super) fn result(&self) -> String {
        match &self.made {
            None => "failed".to_owned(),
            Some((record, _)) => {
                let verdicts = &record.outcome.verdicts;
                let holding = verdicts.iter().filter(|verdict| verdict.holds()).count();
                match verdicts.len() {
                    0 => "no verdicts".to_owned(),
                    all if all == holding => format!("all {all} verdicts hold"),
                    all => format!("{holding} of {all} verdicts hold"),
                }
            }
        }
    }

    /// The section.
    pub(super) fn markup(&self) -> Markup {
        html! {
            section id=(self.name) {
                h2 { (self.title) }
                @match &self.made {
                    Some((record, charts)) => { (done(record, charts)) }
                    None => { (failure(self.entry)) }
                }
                (repeat(self))
            }
        }
    }
}

fn failure(entry: Option<&Entry>) -> Markup {
    let why = match entry.map(|entry| &entry.ended) {
        Some(Ended::Failed(why)) => why.as_str(),
        _ => "for reasons unknown",
    };
    html! { p { strong { "Failed: " } (why) } }
}

fn done(record: &Record, charts: &[String]) -> Markup {
    let outcome = &record.outcome;
    html! {
        h3 { "The paper" }
        blockquote { (record.paper) }
        @if !outcome.verdicts.is_empty() {
            h3 { "Verdicts" }
            (verdicts(&outcome.verdicts))
        }
        @if !charts.is_empty() {
            h3 { "Charts" }
            div.charts {
                // Drawn here, with every word in it escaped.
                @for chart in charts { figure { (PreEscaped(chart)) } }
            }
        }
        @if !outcome.notes.is_empty() {
            h3 { "Notes" }
            ul { @for note in &outcome.notes { li { (note) } } }
        }
        @if !outcome.tables.is_empty() {
            h3 { "Tables" }
            @for one in &outcome.tables { (table::markup(&record.name, one)) }
        }
    }
}

fn verdicts(verdicts: &[Verdict]) -> Markup {
    html! {
        div.box.all tabindex="0" role="region" aria-label="Verdicts" {
            table.verdicts {
                thead {
                    tr {
                        @for head in ["What", "The paper", "Ours", "Goal", "Verdict"] {
                            th scope="col" { (head) }
                        }
                    }
                }
                tbody { @for verdict in verdicts { (row(verdict)) } }
            }
        }
    }
}

fn row(verdict: &Verdict) -> Markup {
    let (class, mark, words) = match verdict.holds() {
        true => ("holds", "✓", "holds"),
        false => ("broken", "✗", "does not hold"),
    };
    let unit = |text: String| match verdict.unit_name() {
        "" => text,
        unit => format!("{text} {unit}"),
    };
    let paper = match verdict.paper_says() {
        Cell::Text(words) => words.clone(),
        Cell::Empty => String::new(),
        number => unit(table::words(number)),
    };
    html! {
        tr {
            td.text { (verdict.what()) }
            td data-label="The paper" { (paper) }
            td data-label="Ours" { (unit(drawing::words(verdict.ours()))) }
            td data-label="Goal" { (unit(verdict.goal().to_string())) }
            td.(class) data-label="Verdict" { span aria-hidden="true" { (mark) } " " (words) }
        }
    }
}

/// How to do it again, and where it was done.
fn repeat(section: &Section<'_>) -> Markup {
    let quick = match (&section.made, section.entry) {
        (Some((record, _)), _) => record.quick,
        (None, entry) => entry.is_some_and(|entry| entry.quick),
    };
    let asked = section.entry.and_then(|entry| entry.seed);
    let quick = if quick { " --quick" } else { "" };
    let seed = asked.map(|seed| format!(" --seed {seed}")).unwrap_or_default();
    let name = section.name;
    let command = format!("cargo run --release -p quorate-lab -- run {name}{quick}{seed}");
    html! {
        h3 { "To repeat it" }
        pre { code { (command) } }
        @if let Some((record, _)) = &section.made {
            p.small { "Seed " (record.seed) "." }
            details {
                summary { "Spec" }
                pre { code { (record.spec) } }
            }
        }
        @if let Some(entry) = section.entry { p.small { (circumstances(entry)) } }
    }
}

fn circumstances(entry: &Entry) -> String {
    let Machine { cpu, cores, memory_mb, system, commit } = &entry.machine;
    let resumed = if entry.resumed { " after it was gone on with" } else { "" };
    let cores = if *cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    let memory = match memory_mb {
        0 => String::new(),
        mb => format!(", {} GB", drawing::words((*mb as f64 / 102.4).round() / 10.0)),
    };
    let seconds = drawing::words(entry.seconds);
    format!(
        "{}, commit {commit}, took {seconds} s{resumed} on {cpu}, {cores}{memory}, {system}.",
        entry.date
    )
}
