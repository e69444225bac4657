//! What is done to one model.

use serde::Deserialize;

use super::damage::Substitute;

/// What is done to one model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubjectSpec {
    /// Labelled images that are read.
    pub(crate) images: usize,
    /// How many of them the undamaged model has right, as others have found.
    pub(crate) right: usize,
    /// Images without a label, cut out of each photograph.
    pub(super) crops: usize,
    /// Labelled images that go through damaged layers, the first ones.
    pub(super) damaged: usize,
    /// Images that means are taken over.
    pub(super) calibration: usize,
    /// Every how many layers one is damaged.
    pub(crate) layer_step: usize,
    zero: Losses,
    mean: Losses,
    nearest: Losses,
    /// Devices that are lost to every layer, and choices of them.
    pub(super) everywhere: Losses,
    /// Data and parity devices of coded plans.
    pub(crate) codes: Vec<(usize, usize)>,
    /// Labelled images that go through coded plans, the first ones.
    pub(super) coded: usize,
}

/// What is lost.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Losses {
    /// Numbers of shards that are lost, of as many as the layer is divided
    /// into at most.
    pub(super) lost: Vec<usize>,
    /// Choices of so many shards that are tried.
    pub(super) draws: usize,
}

impl SubjectSpec {
    /// The losses that a substitute is tried on.
    pub(super) fn losses(&self, substitute: Substitute) -> &Losses {
        match substitute {
            Substitute::Zero => &self.zero,
            Substitute::Mean => &self.mean,
            Substitute::Nearest => &self.nearest,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// LeNet-5 and its first 50 digits.
    pub(in super::super) fn lenet() -> SubjectSpec {
        let text = "
            images = 50
            right = 50
            crops = 0
            damaged = 20
            calibration = 10
            layer_step = 1
            zero = { lost = [1, 5, 10], draws = 2 }
            mean = { lost = [5, 10], draws = 1 }
            nearest = { lost = [5], draws = 1 }
            everywhere = { lost = [1, 9], draws = 2 }
            codes = []
            coded = 50";
        toml::from_str(text).unwrap()
    }
}
