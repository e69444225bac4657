//! Bounds on what a model file may ask for.

/// Bounds checked before anything is allocated for what a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the model file, in bytes.
    pub model_bytes: usize,
    /// Nodes, values described and initializers: of each at most this many.
    pub nodes: usize,
    /// Elements of one value. Values above 2^40 count as 2^40.
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
    /// Whether `shape` is within rank and elements; each dimension alone is
    /// bounded too, so that an empty one hides no overflow.
    pub(crate) fn admit(&self, shape: &[usize]) -> bool {
        let most = self.value_elements.min(1 << 40);
        let product = shape.iter().try_fold(1u64, |n, &d| n.checked_mul((d as u64).max(1)));
        shape.len() <= self.rank && product.is_some_and(|n| n <= most)
    }
}
