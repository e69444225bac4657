//! The engine that computes; the one place where the program picks it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use quorate_engine::{Engine, Reference, Tract};

use crate::cli::Choice;

static CHOSEN: OnceLock<Arc<dyn Engine>> = OnceLock::new();
static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Picks the engine of this process. ONNX Runtime's library may be given.
pub(crate) fn choose(choice: Choice, library: Option<&Path>) -> anyhow::Result<()> {
    let engine: Arc<dyn Engine> = match (choice, runtime::find(library)) {
        (Choice::Tract, _) => Arc::new(Tract),
        (_, Ok(found)) => found,
        (Choice::Auto, Err(_)) if library.is_none() => Arc::new(Tract),
        (_, Err(error)) => return Err(error),
    };
    // A second choice, as in tests, changes nothing.
    let _ = CHOSEN.set(engine);
    let _ = LIBRARY.set(library.map(Path::to_owned));
    Ok(())
}

/// The engine of this process.
pub(crate) fn engine() -> Arc<dyn Engine> {
    CHOSEN.get_or_init(|| Arc::new(Tract)).clone()
}

/// Arguments with which another process of this program picks the same engine.
pub(crate) fn engine_arguments() -> Vec<String> {
    let name = if engine().name() == Tract.name() { "tract" } else { "onnxruntime" };
    let mut arguments = vec!["--engine".to_owned(), name.to_owned()];
    if let Some(Some(library)) = LIBRARY.get() {
        arguments.extend(["--onnxruntime".to_owned(), library.display().to_string()]);
    }
    arguments
}

/// What users' files are run by, to hold answers against; `None` where nothing
/// is installed for that.
pub(crate) fn reference() -> Option<Box<dyn Reference>> {
    runtime::reference(LIBRARY.get()?.as_deref())
}

#[cfg(feature = "onnxruntime")]
mod runtime {
    use std::path::Path;
    use std::sync::Arc;

    use quorate_engine::{Engine, OnnxRuntime, Reference};

    pub(super) fn find(library: Option<&Path>) -> anyhow::Result<Arc<dyn Engine>> {
        Ok(Arc::new(OnnxRuntime::find(library)?))
    }

    pub(super) fn reference(library: Option<&Path>) -> Option<Box<dyn Reference>> {
        OnnxRuntime::find(library).ok().map(|found| Box::new(found) as Box<dyn Reference>)
    }
}

#[cfg(not(feature = "onnxruntime"))]
mod runtime {
    use std::path::Path;
    use std::sync::Arc;

    use quorate_engine::{Engine, Reference};

    pub(super) fn find(_: Option<&Path>) -> anyhow::Result<Arc<dyn Engine>> {
        anyhow::bail!("this program was built without the feature onnxruntime")
    }

    pub(super) fn reference(_: Option<&Path>) -> Option<Box<dyn Reference>> {
        None
    }
}
