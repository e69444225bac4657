//! What an attempt asks of those who gather.

use super::verify::Verify;

/// What an attempt asks of those who gather.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// Shards are kept until all are there, and held against each other.
    pub audit: bool,
    /// Shards of suspects are not used, but where there are too few others.
    pub strict: bool,
    /// The answer waits for what is found: audits come before the tasks of later
    /// requests, not only when there are none.
    pub prompt: bool,
    /// Numbers that are not finite are taken as they are: the model makes them.
    pub lenient: bool,
}

impl Checks {
    /// What checking answers so takes, where devices that are wrong are known or
    /// are not.
    pub(crate) fn of(verify: Verify, are_wrong: bool) -> Checks {
        let audit = verify != Verify::Off;
        let (strict, prompt) = (audit || are_wrong, verify == Verify::Correct);
        Checks { audit, strict, prompt, lenient: false }
    }

    /// As bits of a frame.
    pub(crate) fn bits(self) -> u16 {
        let bits = [self.audit, self.strict, self.prompt, self.lenient];
        bits.into_iter().rev().fold(0, |all, bit| all << 1 | u16::from(bit))
    }

    /// What these bits say; `None` where they say nothing that is known.
    pub(crate) fn of_bits(bits: u16) -> Option<Checks> {
        (bits < 16).then_some(Checks {
            audit: bits & 1 != 0,
            strict: bits & 2 != 0,
            prompt: bits & 4 != 0,
            lenient: bits & 8 != 0,
        })
    }
}
