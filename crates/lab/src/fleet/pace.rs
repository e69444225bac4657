//! Slow enough for this machine: what is measured while it keeps up.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::{Fleet, World};

/// Runs of one measurement, each twice as slow as the one before.
const RUNS: u32 = 3;

/// How this machine kept up with what it emulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Runs that it was too slow for, which were repeated and do not count.
    pub repeated: usize,
    /// Requests that it was too slow for, which were asked again and do not
    /// count.
    #[serde(default)]
    pub discarded: usize,
    /// Times that it was too slow in runs that count.
    pub overruns: usize,
}

impl AddAssign for Pace {
    fn add_assign(&mut self, other: Pace) {
        self.repeated += other.repeated;
        self.discarded += other.discarded;
        self.overruns += other.overruns;
    }
}

impl Pace {
    /// Carries out `run`, which is given a dilation and tells how often this
    /// machine was too slow. Where it was, what was found is thrown away
    /// whatever it was, and all is done again twice as slowly, up to four times.
    /// What the last run found counts.
    pub fn keep_up<T>(
        &mut self,
        dilation: f64,
        mut run: impl FnMut(f64) -> anyhow::Result<(T, usize)>,
    ) -> anyhow::Result<T> {
        let mut slower = dilation;
        for _ in 1..RUNS {
            match run(slower)? {
                (found, 0) => return Ok(found),
                _ => self.repeated += 1,
            }
            slower *= 2.0;
        }
        let (found, overruns) = run(slower)?;
        self.overruns += overruns;
        Ok(found)
    }

    /// Does `what` to a fleet that `start` makes of `world`, as often as it
    /// takes to keep up.
    pub fn on_fleet<'a, T>(
        &mut self,
        world: &World,
        start: impl Fn(&World) -> anyhow::Result<Fleet<'a>>,
        mut what: impl FnMut(&mut Fleet<'a>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut thrown_away = 0;
        let found = self.keep_up(world.dilation, |dilation| {
            let mut fleet = start(&World { dilation, ..world.clone() })?;
            let found = what(&mut fleet)?;
            let (late, discarded) = fleet.end();
            thrown_away += discarded;
            Ok((found, late))
        })?;
        self.discarded += thrown_away;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(overruns: &[usize]) -> (f64, Pace) {
        let (mut left, mut pace) = (overruns.iter(), Pace::default());
        let run = |dilation| Ok((dilation, *left.next().expect("a run")));
        (pace.keep_up(1.5, run).unwrap(), pace)
    }

    #[test]
    fn what_this_machine_was_too_slow_for_is_done_again_more_slowly() {
        assert_eq!(runs(&[0]), (1.5, Pace::default()));
        assert_eq!(runs(&[3, 0]), (3.0, Pace { repeated: 1, ..Pace::default() }));
        assert_eq!(runs(&[3, 1, 0]), (6.0, Pace { repeated: 2, ..Pace::default() }));
        assert_eq!(runs(&[3, 9, 2]), (6.0, Pace { repeated: 2, overruns: 2, discarded: 0 }));
    }
}
