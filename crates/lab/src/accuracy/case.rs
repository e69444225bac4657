//! A subject, and what is done to it.

use super::spec::SubjectSpec;
use super::subject::{Subject, Whole};

/// A subject, its undamaged answers, and what is done to it.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    /// The subject.
    pub(crate) subject: &'a Subject,
    /// What it answers undamaged.
    pub(crate) whole: &'a Whole,
    /// What is done to it.
    pub(crate) spec: &'a SubjectSpec,
    /// Devices that each layer is divided over, to lose some of them.
    pub(crate) devices: usize,
    /// Decides which shards are lost.
    pub(crate) seed: u64,
    /// An error where somebody asked to stop; asked before each image.
    pub(crate) go_on: &'a (dyn Fn() -> anyhow::Result<()> + Sync),
}

impl<'a> Case<'a> {
    /// The same, given up where `go_on` is an error.
    pub(crate) fn while_ok<'b>(
        &self,
        go_on: &'b (dyn Fn() -> anyhow::Result<()> + Sync),
    ) -> Case<'b>
    where
        'a: 'b,
    {
        Case { go_on, ..*self }
    }

    /// Is `answer` the class of the image?
    pub(super) fn is_right(&self, image: usize, answer: usize) -> bool {
        self.subject.images[image].label == Some(answer)
    }

    /// Is it what the undamaged model answers?
    pub(super) fn is_same(&self, image: usize, answer: usize) -> bool {
        self.whole.answers[image] == answer
    }

    /// The first `count` images with a label, and all without.
    pub(super) fn images(&self, count: usize) -> Vec<usize> {
        let (labelled, all) = (self.whole.labelled, self.subject.images.len());
        (0..labelled.min(count)).chain(labelled..all).collect()
    }

    /// How many of `images` have a label.
    pub(super) fn labelled(&self, images: &[usize]) -> usize {
        images.iter().filter(|&&image| self.subject.images[image].label.is_some()).count()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::spec::tests::lenet;
    use super::super::subject::Loaded;
    use super::*;

    /// LeNet-5 and its first 50 digits, layers over ten devices.
    pub(in super::super) fn with_lenet(then: impl FnOnce(&Case<'_>)) {
        let spec = lenet();
        let Loaded::Ready(subject) = Subject::lenet5(&spec).unwrap() else {
            panic!("the project ships LeNet-5 and its digits")
        };
        let whole = subject.whole().unwrap();
        let go_on = &|| Ok(());
        then(&Case { subject: &subject, whole: &whole, spec: &spec, devices: 10, seed: 1, go_on });
    }

    #[test]
    fn images_with_a_label_are_the_first_that_are_chosen() {
        with_lenet(|case| {
            assert_eq!(case.images(3), [0, 1, 2]);
            assert_eq!(case.images(90).len(), 50);
            assert_eq!(case.labelled(&[0, 7]), 2);
            // The first of them is a seven.
            assert!(case.is_right(0, 7) && !case.is_right(0, 1) && case.is_same(0, 7));
            assert!(case.whole.right >= 49 && case.whole.labelled == 50);
        });
    }
}
