//! Fields of 2, 4, ... 64 elements, and their elements as small integer
//! matrices.
//!
//! An element of GF(2^d) is a polynomial over GF(2) modulo an irreducible f
//! of degree d, one bit a coefficient. Multiplying by it is linear over GF(2):
//! a d x d matrix of zeros and ones.

use alloc::vec::Vec;

/// The largest degree: 64 elements.
pub(crate) const DEGREE_MAX: usize = 6;

/// For each degree the irreducible polynomial less its leading term.
const LOW_TERMS: [u8; DEGREE_MAX + 1] = [0, 0b1, 0b11, 0b11, 0b11, 0b101, 0b11];

/// GF(2^d).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    degree: usize,
}

impl Field {
    /// The field of 2^degree elements, `degree` from 1 to [`DEGREE_MAX`].
    pub(crate) fn new(degree: usize) -> Self {
        debug_assert!((1..=DEGREE_MAX).contains(&degree));
        Self { degree }
    }

    /// Elements of the field.
    pub(crate) fn size(self) -> usize {
        1 << self.degree
    }

    /// `a * b`.
    pub(crate) fn times(self, a: u8, b: u8) -> u8 {
        let (mut product, mut shifted) = (0, a);
        for bit in 0..self.degree {
            if b >> bit & 1 == 1 {
                product ^= shifted;
            }
            let over = shifted >> (self.degree - 1) & 1 == 1;
            shifted = shifted << 1 & (self.size() - 1) as u8;
            if over {
                shifted ^= LOW_TERMS[self.degree];
            }
        }
        product
    }

    /// The element whose product with `a` is 1, 0 for 0.
    pub(crate) fn inverse(self, a: u8) -> u8 {
        (0..self.size() as u8).find(|&b| self.times(a, b) == 1).unwrap_or(0)
    }

    /// The matrix that multiplies an element, as the column of its bits, by
    /// `a`; row after row.
    pub(crate) fn matrix(self, a: u8) -> Vec<i16> {
        let at = (0..self.degree).flat_map(|r| (0..self.degree).map(move |c| (r, c)));
        at.map(|(r, c)| i16::from(self.times(a, 1 << c) >> r & 1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        for degree in 1..=DEGREE_MAX {
            let field = Field::new(degree);
            for a in 1..field.size() as u8 {
                assert_eq!(field.times(a, field.inverse(a)), 1, "degree {degree}");
            }
        }
    }

    #[test]
    fn matrices_multiply_as_the_field_does() {
        for degree in 1..=DEGREE_MAX {
            let field = Field::new(degree);
            for a in 0..field.size() as u8 {
                let matrix = field.matrix(a);
                for b in 0..field.size() as u8 {
                    let bit = |r: usize| {
                        let row = &matrix[r * degree..(r + 1) * degree];
                        let sum: i16 =
                            row.iter().enumerate().map(|(c, v)| v * i16::from(b >> c & 1)).sum();
                        (sum & 1) as u8
                    };
                    let product = (0..degree).fold(0, |bits, r| bits | bit(r) << r);
                    assert_eq!(product, field.times(a, b), "degree {degree}: {a} * {b}");
                }
            }
        }
    }
}
