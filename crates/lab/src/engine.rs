//! The engine that experiments compute with; the one place that picks it.

use std::sync::{Arc, OnceLock};

use quorate_engine::{Engine, OnnxRuntime, Tract};

/// Names another engine than the built-in one: `onnxruntime`, whose library has
/// to be installed. So the tests can be run over either.
const VARIABLE: &str = "QUORATE_LAB_ENGINE";

static CHOSEN: OnceLock<Arc<dyn Engine>> = OnceLock::new();

/// The engine of every experiment.
///
/// # Panics
///
/// Where the one that was asked for is not there: results of another would be
/// taken for its own.
pub(crate) fn engine() -> Arc<dyn Engine> {
    let choose = || -> Arc<dyn Engine> {
        match std::env::var(VARIABLE).as_deref() {
            Err(_) | Ok("" | "tract") => Arc::new(Tract::default()),
            Ok("onnxruntime") => match OnnxRuntime::find(None) {
                Ok(found) => Arc::new(found),
                Err(error) => panic!("{VARIABLE}=onnxruntime: {error}"),
            },
            Ok(other) => panic!("{VARIABLE}={other}, must be tract or onnxruntime"),
        }
    };
    CHOSEN.get_or_init(choose).clone()
}

/// Arguments with which a process of the program computes with the same: it would
/// take another by itself where a library is installed.
pub(crate) fn engine_arguments() -> [&'static str; 2] {
    let is_built_in = engine().name() == Tract::default().name();
    ["--engine", if is_built_in { "tract" } else { "onnxruntime" }]
}
