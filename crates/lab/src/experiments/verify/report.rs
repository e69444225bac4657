//! What is told of flips and of healthy requests.

use super::case::Case;
use super::flip::{Flip, Place};
use super::seen::Seen;
use crate::experiment::{Axis, Chart, Goal, Outcome, SeriesKind, Table, Verdict};

/// Effects on the answer, a bin a decade: the first has all that is smaller, the
/// last all that is larger.
const DECADES: std::ops::RangeInclusive<i32> = -8..=1;

/// Tells of all cases.
pub(super) fn tell(all: &[(&Case, Seen)], outcome: &mut Outcome) {
    outcome.tables.push(cases(all));
    outcome.tables.push(by_effect(all));
    outcome.charts.push(chart(all));
    let sum = |of: fn(&Seen) -> usize| all.iter().map(|(_, seen)| of(seen)).sum::<usize>() as f64;
    let zero = Goal::Equals(0.0, 0.0);
    let missed = "flips that change an answer beyond what is right, and are not found";
    outcome.verdicts.push(Verdict::new(missed, sum(missed_of), zero));
    let two = all.iter().filter(|(case, _)| case.parity >= 2);
    let unplaced: usize = two.map(|(_, seen)| unplaced_of(seen)).sum();
    let what = "such flips of which two spares or more do not name the device";
    outcome.verdicts.push(Verdict::new(what, unplaced as f64, zero));
    let alarms = sum(|seen| seen.healthy.alarms as usize);
    outcome.verdicts.push(Verdict::new("healthy values taken for wrong", alarms, zero));
    let stages = sum(|seen| seen.healthy.stages as usize);
    outcome.note(format!(
        "One bit at a time is flipped in one device, any of its weights' or of the numbers that \
         it has computed; {stages} values of healthy requests are looked at beside them. Weights \
         are flipped between their check and their use, in the file that a task is loaded from. \
         What is too far apart follows from what was seen when the bundle was packed."
    ));
    outcome.note(
        "The effect of a flip is how far the answer is off that is made with the wrong shard, of \
         its largest number; an answer that is no number counts as beyond all.",
    );
}

fn beyond(seen: &Seen) -> impl Iterator<Item = &Flip> {
    seen.flips.iter().filter(|flip| flip.is_beyond(seen.tolerance))
}

fn missed_of(seen: &Seen) -> usize {
    beyond(seen).filter(|flip| !flip.found).count()
}

fn unplaced_of(seen: &Seen) -> usize {
    beyond(seen).filter(|flip| flip.found && !flip.located).count()
}

fn cases(all: &[(&Case, Seen)]) -> Table {
    let columns = [
        ("case", ""),
        ("bits flipped in", ""),
        ("flips", ""),
        ("found", "%"),
        ("beyond what is right", ""),
        ("of those found", "%"),
        ("of those its device named", "%"),
        ("healthy values", ""),
        ("taken for wrong", ""),
        ("farthest apart, over what is usual", ""),
    ];
    let mut table = Table::new("cases", "Flipped bits, and healthy requests", &columns);
    for (case, seen) in all {
        for place in [Place::Weights, Place::Shards] {
            let here = || seen.flips.iter().filter(|flip| flip.place == place);
            let wrong = || here().filter(|flip| flip.is_beyond(seen.tolerance));
            let percent =
                |some: usize, of: usize| (of > 0).then(|| 100.0 * some as f64 / of as f64);
            let found = here().filter(|flip| flip.found).count();
            let found_wrong = wrong().filter(|flip| flip.found).count();
            let located = wrong().filter(|flip| flip.located).count();
            table.push(vec![
                case.title.as_str().into(),
                place.to_string().into(),
                here().count().into(),
                percent(found, here().count()).into(),
                wrong().count().into(),
                percent(found_wrong, wrong().count()).into(),
                percent(located, wrong().count()).into(),
                seen.healthy.stages.into(),
                seen.healthy.alarms.into(),
                seen.healthy.farthest.into(),
            ]);
        }
    }
    table
}

/// The bin of an effect.
fn decade(flip: &Flip) -> i32 {
    let exponent = flip.effect.map_or(f64::INFINITY, |effect| effect.log10().floor());
    exponent.clamp((*DECADES.start()).into(), (*DECADES.end()).into()) as i32
}

/// Flips of a place, and those found, by the size of their effect.
fn found(all: &[(&Case, Seen)], place: Place, of: i32) -> (usize, usize) {
    let flips = all.iter().flat_map(|(_, seen)| &seen.flips);
    let here: Vec<&Flip> = flips.filter(|flip| flip.place == place && decade(flip) == of).collect();
    (here.len(), here.iter().filter(|flip| flip.found).count())
}

fn by_effect(all: &[(&Case, Seen)]) -> Table {
    let columns = [
        ("effect on the answer, from", ""),
        ("flips in weights", ""),
        ("of them found", ""),
        ("flips in computed numbers", ""),
        ("of them found ", ""),
    ];
    let mut table = Table::new("by-effect", "Flips by the size of their effect", &columns);
    for of in DECADES {
        let (weights, weights_found) = found(all, Place::Weights, of);
        let (shards, shards_found) = found(all, Place::Shards, of);
        let from = if of == *DECADES.start() { 0.0 } else { 10f64.powi(of) };
        let row = [weights, weights_found, shards, shards_found].map(Into::into);
        table.push([vec![from.into()], row.into()].concat());
    }
    table
}

fn chart(all: &[(&Case, Seen)]) -> Chart {
    let names = DECADES.map(|of| match of {
        of if of == *DECADES.start() => "less".to_owned(),
        of => format!("1e{of}"),
    });
    let x = Axis::named("effect on the answer, from", names);
    let y = Axis::new("flips that are found", "%").from(0.0).until(100.0);
    let mut chart = Chart::new("found", "Flips that are found, by their effect", x, y);
    for place in [Place::Weights, Place::Shards] {
        let point = |(at, of): (usize, i32)| {
            let (flips, found) = found(all, place, of);
            (at as f64, 100.0 * found as f64 / flips as f64)
        };
        let points = DECADES.enumerate().map(point).filter(|(_, y)| y.is_finite()).collect();
        chart.add(&format!("in {place}"), SeriesKind::Bars, points);
    }
    chart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_told_by_decade() {
        let flip = |effect| Flip { place: Place::Shards, effect, found: false, located: false };
        for (effect, of) in
            [(Some(0.0), -8), (Some(3e-12), -8), (Some(2e-4), -4), (Some(50.0), 1), (None, 1)]
        {
            assert_eq!(decade(&flip(effect)), of, "{effect:?}");
        }
        assert!(flip(None).is_beyond(1e-4) && !flip(Some(1e-5)).is_beyond(1e-4));
    }
}
