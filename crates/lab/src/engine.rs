//! The engine that experiments compute with; the one place that picks it.

use std::sync::Arc;

use quorate_engine::{Engine, Tract};

/// The engine of every experiment.
pub(crate) fn engine() -> Arc<dyn Engine> {
    Arc::new(Tract)
}
