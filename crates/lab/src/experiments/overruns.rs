//! Was this machine fast enough?

use crate::experiment::{Goal, Outcome, Verdict};
use crate::fleet::Pace;

/// The verdict on how often this machine was too slow to emulate the devices:
/// what was measured then is not true of them.
pub(super) fn tell(pace: Pace, outcome: &mut Outcome) {
    let (what, goal) = ("times this machine was too slow to emulate", Goal::Equals(0.0, 0.0));
    outcome.verdicts.push(Verdict::new(what, pace.overruns as f64, goal));
    if pace.discarded > 0 {
        outcome.note(format!(
            "This machine was too slow for {} requests that were under way then. They do not \
             count, whatever came of them, and others were asked in their place.",
            pace.discarded
        ));
    }
    if pace.repeated > 0 {
        outcome.note(format!(
            "This machine was too slow in {} of the runs. They do not count, and were done again \
             with everything twice as slow.",
            pace.repeated
        ));
    }
}
