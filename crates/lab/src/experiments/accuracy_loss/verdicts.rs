//! What was found, held against what the paper and others say.

use super::findings::{Figure, Findings};
use crate::experiment::{Goal, Outcome, Verdict};

/// Losses above this share are destructive, says the paper.
pub(super) const DESTRUCTIVE: f64 = 0.7;
/// The loss above it that all models are tried with.
const ABOVE: f64 = 0.8;
/// Losses over which models are compared.
const ALL: [f64; 8] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, ABOVE];
/// A loss that takes more than half of the right answers is called
/// destructive.
const HALF: f64 = 0.5;

/// Adds the verdicts on one model.
pub(super) fn add(findings: &Findings, outcome: &mut Outcome) {
    let verdicts = &mut outcome.verdicts;
    let (images, right) = findings.undamaged;
    if images == findings.known.0 {
        let what = format!("{}: right answers of {images}, undamaged", findings.title);
        verdicts.push(Verdict::new(
            &what,
            right as f64,
            Goal::Equals(findings.known.1 as f64, 0.0),
        ));
    }
    for coded in &findings.coded {
        let what = format!(
            "{}, {} + {} devices, {:.0} % of every layer lost: answers of {} that a loss changes",
            findings.title,
            coded.data,
            coded.parity,
            100.0 * coded.lost(),
            coded.images
        );
        verdicts.push(Verdict::new(&what, coded.changed as f64, Goal::Equals(0.0, 0.0)));
    }
    let beyond: usize = findings.coded.iter().map(|coded| coded.beyond).sum();
    if beyond > 0 {
        let answered: usize = findings.coded.iter().map(|coded| coded.answered).sum();
        let what = format!(
            "{}: answers given of {beyond} asked for with one loss more than the code repairs",
            findings.title
        );
        verdicts.push(Verdict::new(&what, answered as f64, Goal::Equals(0.0, 0.0)));
    }
    for (words, way) in findings.ways().filter(|_| is_comparable(findings)) {
        let kept = findings.zeros(way, Figure::Kept).at(ABOVE);
        let what = format!("{}: right answers kept at a loss of 80 %, {words}", findings.title);
        let verdict = Verdict::new(&what, 100.0 * kept, Goal::AtMost(100.0 * HALF)).unit("%");
        verdicts.push(verdict.paper("above 70 % destructive"));
    }
}

/// Are there labels to count right answers by, and layers that lost something?
fn is_comparable(findings: &Findings) -> bool {
    findings.figure() == Figure::Right && !findings.layers.is_empty()
}

/// Adds the verdicts on LeNet-5 and Inception v3 together.
pub(super) fn compare(all: &[Findings], outcome: &mut Outcome) {
    let find = |key: &str| all.iter().find(|f| f.key == key && is_comparable(f));
    let (Some(simple), Some(general)) = (find("lenet5"), find("inception")) else { return };
    for (words, way) in general.ways() {
        let kept = |findings: &Findings| findings.zeros(way, Figure::Kept).mean(&ALL);
        let what = format!(
            "right answers that LeNet-5 keeps less those that Inception v3 keeps, losses of 10 to \
             80 %, {words}"
        );
        let apart = 100.0 * (kept(simple) - kept(general));
        let verdict = Verdict::new(&what, apart, Goal::AtLeast(0.0)).unit("%");
        outcome.verdicts.push(verdict.paper("Inception v3 is the more sensitive one"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::findings;
    use super::*;
    use crate::accuracy::{Coded, Curve, Layer};

    /// The layer that loses something.
    fn one() -> Vec<Layer> {
        findings().layers[..1].to_vec()
    }

    fn holds(findings: &Findings) -> Vec<bool> {
        let mut outcome = Outcome::default();
        add(findings, &mut outcome);
        outcome.verdicts.iter().map(Verdict::holds).collect()
    }

    #[test]
    fn verdicts_follow_the_data() {
        let coded = Coded { data: 4, parity: 2, images: 10, beyond: 5, ..Coded::default() };
        let good = Findings { coded: vec![coded], ..findings() };
        // Undamaged, coded, beyond. Of two layers one keeps all, 67.5 % on
        // average; the other, and every layer, 35 %.
        assert_eq!(holds(&good), [true, true, true, false, true, true]);
        let cases = [
            (Findings { undamaged: (10, 7), ..findings() }, vec![false, false, true, true]),
            (Findings { undamaged: (5, 4), ..findings() }, vec![false, true, true]),
            (
                Findings { coded: vec![Coded { changed: 1, answered: 1, ..coded }], ..findings() },
                vec![true, false, false, false, true, true],
            ),
            // The layer that keeps nothing may be one that was not tried.
            (Findings { layers: one(), ..findings() }, vec![true; 3]),
            (Findings { layers: one(), layers_in_all: 1, ..findings() }, vec![true; 4]),
            (Findings { undamaged: (0, 0), ..findings() }, vec![]),
        ];
        for (findings, expected) in cases {
            assert_eq!(holds(&findings), expected);
        }
    }

    #[test]
    fn models_are_compared_where_both_are_there() {
        let compared = |all: &[Findings]| {
            let mut outcome = Outcome::default();
            compare(all, &mut outcome);
            outcome.verdicts.iter().map(Verdict::ours).collect::<Vec<_>>()
        };
        let lenet = || Findings { key: "lenet5", ..findings() };
        let inception =
            || Findings { key: "inception", layers: one(), layers_in_all: 1, ..findings() };
        assert!(compared(&[lenet()]).is_empty());
        let unlabelled = Findings { undamaged: (0, 0), ..inception() };
        assert!(compared(&[lenet(), unlabelled]).is_empty());
        let mut general = inception();
        general.everywhere.points[0].right = vec![0, 0];
        let apart = compared(&[lenet(), general]);
        // LeNet-5 has a layer that keeps all beside one like Inception's.
        let kept = Curve::new(vec![(0.0, 1.0), (0.5, 0.5), (1.0, 0.25)]).mean(&ALL);
        let expected = 100.0 * ((1.0 + kept) / 2.0 - kept);
        assert!((apart[0] - expected).abs() < 1e-9 && apart[1].abs() < 1e-9, "{apart:?}");
        assert!(apart[2] > 0.0, "{apart:?}");
    }
}
