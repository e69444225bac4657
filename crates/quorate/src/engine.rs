//! The engine that computes; the one place where the program picks it.

use std::sync::Arc;

use quorate_engine::{Engine, Tract};

/// The engine of this process.
pub(crate) fn engine() -> Arc<dyn Engine> {
    Arc::new(Tract)
}
