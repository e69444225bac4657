//! A report on disk, and the page made of it.
//!
//! ```text
//! report/NAME/NAME.json    a record: what the experiment is, and what came of it
//!             TABLE.csv    its tables
//!             CHART.svg    its charts
//!             steps/       what was kept while it ran
//!        run.json          when, where and how long
//!        index.html        all of it, to read
//! ```
//!
//! *Invariant:* records, tables and charts of what was not measured by a clock
//! depend on spec, seed and sources alone. Time and machine are in `run.json`
//! and on the page.

mod csv;
mod date;
mod files;
mod index;
mod json;
mod log;
mod machine;
mod page;
mod record;

pub use self::{
    files::{clear, steps_of, write_record},
    index::write_page,
    log::{Ended, Entry, Log},
    machine::Machine,
    record::Record,
};
pub(crate) use machine::kilobytes;
