//! Erasure codes over real and integer numbers for coded computation.
