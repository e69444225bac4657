//! Coded plans that lose as much as they tolerate, and more.

use anyhow::{Context, ensure};
use quorate::bundle;
use quorate::random::SplitMix;
use quorate::rehearsal::{Rehearsal, answer_difference};
use quorate_core::id::{DeviceId, DeviceSet};
use quorate_core::planner::{self, PlanRequest};
use quorate_engine::Task;
use serde::{Deserialize, Serialize};

use super::answers::top;
use super::case::Case;
use super::draw::subset;
use crate::engine::engine;
use crate::lanes::in_lanes;

/// Images that are tried with more devices dead than a plan tolerates.
const BEYOND_MAX: usize = 20;

/// What a coded plan answers with devices dead from the first layer to the last.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Coded {
    /// Devices that hold data.
    pub(crate) data: usize,
    /// Devices that hold parity, and devices that are dead: of those that hold
    /// data, others for each image.
    pub(crate) parity: usize,
    /// Images asked about.
    pub(crate) images: usize,
    /// Those with a label.
    pub(crate) labelled: usize,
    /// Right answers.
    pub(crate) right: usize,
    /// Answers other than those of the undamaged model.
    pub(crate) changed: usize,
    /// Largest max|a - b| / max|b| of outputs and the undamaged model's.
    pub(crate) error: f64,
    /// Images asked about with one device more dead than is tolerated.
    pub(crate) beyond: usize,
    /// How many of them were answered all the same.
    pub(crate) answered: usize,
}

impl Coded {
    /// The share of every layer's data that is lost.
    pub(crate) fn lost(&self) -> f64 {
        self.parity as f64 / self.data as f64
    }

    /// Asks a plan for `data` and `parity` devices about the images.
    pub(crate) fn rehearse(
        case: &Case<'_>,
        (data, parity): (usize, usize),
    ) -> anyhow::Result<Coded> {
        let file = &case.subject.file;
        let request = PlanRequest::local(&file.name, &file.sha256, data, parity)?;
        let request = PlanRequest { fewest_devices: data + parity, ..request };
        let plans = planner::even(&file.staged, &request)?;
        let tolerance = plans.main().tolerance();
        ensure!(tolerance == parity, "{data} + {parity} devices bear {tolerance} losses");
        let folder = tempfile::tempdir().context("a temporary folder")?;
        let packed = folder.path().join("bundle");
        bundle::write(&file.staged, &file.sha256, &plans, &packed, &mut |_| ())?;
        // Nothing is held against answers given here: each image has its own.
        let rehearsal = Rehearsal::expecting(&engine(), plans, &packed, Vec::new(), Vec::new());
        let images = case.images(case.spec.coded);
        let lanes = in_lanes(images.len(), |range| {
            let mut own = Coded { data, parity, ..Coded::default() };
            let mut task = file.task(&*engine(), &[])?;
            for at in range {
                (case.go_on)()?;
                own.ask(case, &rehearsal, &mut *task, images[at], at < BEYOND_MAX)?;
            }
            Ok(own)
        })?;
        Ok(lanes.into_iter().fold(Coded { data, parity, ..Coded::default() }, Coded::and))
    }

    /// Asks about one image; if `beyond`, also with a device too many dead.
    fn ask(
        &mut self,
        case: &Case<'_>,
        rehearsal: &Rehearsal,
        undamaged: &mut dyn Task,
        image: usize,
        beyond: bool,
    ) -> anyhow::Result<()> {
        let mut random = SplitMix::new(case.seed.wrapping_add(image as u64));
        let inputs = std::slice::from_ref(&case.subject.images[image].input);
        let dead = devices(subset(&mut random, self.data, self.parity));
        let outputs = rehearsal.answer(inputs, dead)?;
        let answer = top(&outputs)?;
        self.images += 1;
        self.labelled += case.labelled(&[image]);
        self.right += usize::from(case.is_right(image, answer));
        self.changed += usize::from(!case.is_same(image, answer));
        self.error = self.error.max(answer_difference(&outputs, &undamaged.run(inputs)?)?);
        if beyond {
            let all = self.data + self.parity;
            let dead = devices(subset(&mut random, all, self.parity + 1));
            self.beyond += 1;
            match rehearsal.answer(inputs, dead) {
                Ok(_) => self.answered += 1,
                Err(error) if error.to_string().contains("not quorate") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Both together.
    fn and(self, other: Coded) -> Coded {
        Coded {
            images: self.images + other.images,
            labelled: self.labelled + other.labelled,
            right: self.right + other.right,
            changed: self.changed + other.changed,
            error: self.error.max(other.error),
            beyond: self.beyond + other.beyond,
            answered: self.answered + other.answered,
            ..self
        }
    }
}

fn devices(numbers: Vec<usize>) -> DeviceSet {
    numbers.into_iter().map(|number| DeviceId(number as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::case::tests::with_lenet;
    use super::*;

    #[test]
    fn coded_losses_change_no_answer_and_too_many_get_none() {
        with_lenet(|case| {
            for (data, parity) in [(10, 1), (4, 4)] {
                let coded = Coded::rehearse(case, (data, parity)).unwrap();
                let counts = [coded.images, coded.right, coded.changed];
                assert_eq!(counts, [50, case.whole.right, 0], "{data} + {parity}");
                assert!(coded.error < 1e-4, "{data} + {parity}: {}", coded.error);
                assert_eq!([coded.beyond, coded.answered], [BEYOND_MAX, 0]);
            }
        });
    }
}
