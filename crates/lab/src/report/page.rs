//! The page of a report: one file that needs nothing else, no network and no
//! script.

mod section;
mod table;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::log::Log;
use super::record::Record;
use section::Section;

const STYLE: &str = include_str!("page/style.css");

/// The page of these records, in their order, and of experiments that have
/// failed: name and title.
pub(super) fn page(
    records: &[Record],
    failed: &[(String, String)],
    log: &Log,
) -> anyhow::Result<String> {
    let sections = records.iter().map(|record| Section::of(record, log));
    let mut sections = sections.collect::<anyhow::Result<Vec<Section<'_>>>>()?;
    sections.extend(failed.iter().map(|(name, title)| Section::failed(name, title, log)));
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Quorate: experiments" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (head(records))
                    (contents(&sections))
                    @for section in &sections { (section.markup()) }
                }
            }
        }
    };
    Ok(markup.into_string())
}

fn head(records: &[Record]) -> Markup {
    let verdicts = || records.iter().flat_map(|record| &record.outcome.verdicts);
    let holding = verdicts().filter(|verdict| verdict.holds()).count();
    html! {
        h1 { "Quorate: experiments" }
        p {
            "What the paper "
            cite { "Creating Robust Deep Neural Networks With Coded Distributed Computing for IoT \
                    Systems" }
            " (arXiv 2104.04447) measured on up to twelve Raspberry Pis, done again, and what goes \
             past it. Every verdict is worked out of the numbers beside it."
        }
        p { strong { (holding) " of " (verdicts().count()) " verdicts hold." } }
    }
}

fn contents(sections: &[Section<'_>]) -> Markup {
    html! {
        nav aria-label="Contents" {
            h2 { "Contents" }
            ul {
                @for section in sections {
                    li {
                        a href=(format!("#{}", section.name)) { (section.title) }
                        " " span.small { (section.result()) }
                    }
                }
            }
        }
    }
}
