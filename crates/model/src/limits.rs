//! Bounds on what a model file may ask for.

/// Bounds on a model file, checked before memory is allocated for what it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the model file, in bytes.
    pub model_bytes: usize,
    /// Most nodes, most described values and most initializers.
    pub nodes: usize,
    /// Elements of one value; at most 2^40, whatever is set.
    pub value_elements: u64,
    /// Dimensions of one value.
    pub rank: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { model_bytes: 1 << 31, nodes: 100_000, value_elements: 1 << 31, rank: 12 }
    }
}

impl Limits {
    /// Is `shape` within the limits of rank and elements? Empty dimensions count
    /// as 1, so that they cannot hide other ones that are too large.
    pub(crate) fn admit(&self, shape: &[usize]) -> bool {
        let most = self.value_elements.min(1 << 40);
        let product = shape.iter().try_fold(1u64, |n, &d| n.checked_mul((d as u64).max(1)));
        shape.len() <= self.rank && product.is_some_and(|n| n <= most)
    }
}
