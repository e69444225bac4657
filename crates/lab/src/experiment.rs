//! What an experiment is, and what it is given and gives back.
//!
//! ```text
//! specs/NAME.toml -> Context -> Experiment::run -> Outcome -> report/NAME/
//!                      step "a", step "b", …   each kept at once, read again by --resume
//! ```
//!
//! An outcome of a computed or simulated experiment depends on its spec, its
//! seed and the sources alone: it names no time and no machine, and one seed
//! gives the same bytes. Tables of what was measured say so.

mod chart;
mod context;
mod outcome;
mod progress;
mod spec;
mod stop;
mod store;
mod table;
mod verdict;

pub use self::{
    chart::{Axis, Chart, Mark, Place, Scale, Series, SeriesKind},
    context::{Context, Setting},
    outcome::Outcome,
    progress::Bar,
    spec::Spec,
    stop::Stop,
    store::Store,
    table::{Cell, Column, Table},
    verdict::{Goal, Verdict},
};

/// One experiment. Each is a file of [`crate::experiments`] and a file
/// `specs/NAME.toml`.
pub trait Experiment: Sync {
    /// What it is asked for by: lower-case letters, digits and `-`.
    fn name(&self) -> &'static str;

    /// What it is called in the report.
    fn title(&self) -> &'static str;

    /// What the paper says: which figure, its words and its numbers.
    fn paper(&self) -> &'static str;

    /// The text of its spec file: a `seed`, and whatever else it reads by
    /// [`Context::spec`]. Keys of a table `[quick]` count before the others
    /// under `--quick`.
    fn spec(&self) -> &'static str;

    /// Carries it out.
    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome>;
}
