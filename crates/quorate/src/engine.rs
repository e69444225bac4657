//! The engine that computes; the one place where the program picks it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use quorate_engine::{Engine, Reference, Tract};

use crate::cli::{Choice, EngineArgs};

/// What was picked for this process.
struct Chosen {
    engine: Arc<dyn Engine>,
    library: Option<PathBuf>,
    threads: usize,
}

static CHOSEN: OnceLock<Chosen> = OnceLock::new();

/// Picks the engine of this process.
pub(crate) fn choose(args: &EngineArgs) -> anyhow::Result<()> {
    let (library, threads) = (args.onnxruntime.clone(), usize::from(args.threads));
    let built_in = || Arc::new(Tract::on_threads(threads));
    let engine: Arc<dyn Engine> = match args.engine {
        Choice::Tract => built_in(),
        choice => match runtime::find(library.as_deref(), threads) {
            Ok(found) => found,
            Err(_) if choice == Choice::Auto && library.is_none() => built_in(),
            Err(error) => return Err(error),
        },
    };
    // A second choice, as in tests, changes nothing.
    let _ = CHOSEN.set(Chosen { engine, library, threads });
    Ok(())
}

fn chosen() -> &'static Chosen {
    let default = || Chosen { engine: Arc::new(Tract::default()), library: None, threads: 1 };
    CHOSEN.get_or_init(default)
}

/// The engine of this process.
pub(crate) fn engine() -> Arc<dyn Engine> {
    chosen().engine.clone()
}

/// Arguments with which another process of this program picks the same engine.
pub(crate) fn engine_arguments() -> Vec<String> {
    let Chosen { engine, library, threads } = chosen();
    let name = if engine.name() == Tract::default().name() { "tract" } else { "onnxruntime" };
    let threads = threads.to_string();
    let mut arguments = ["--engine", name, "--threads", &threads].map(str::to_owned).to_vec();
    if let Some(library) = library {
        arguments.extend(["--onnxruntime".to_owned(), library.display().to_string()]);
    }
    arguments
}

/// What users' files are run by, to hold answers against; `None` where nothing
/// is installed for that.
pub(crate) fn reference() -> Option<Box<dyn Reference>> {
    runtime::reference(chosen().library.as_deref())
}

#[cfg(feature = "onnxruntime")]
mod runtime {
    use std::path::Path;
    use std::sync::Arc;

    use quorate_engine::{Engine, OnnxRuntime, Reference};

    pub(super) fn find(library: Option<&Path>, threads: usize) -> anyhow::Result<Arc<dyn Engine>> {
        Ok(Arc::new(OnnxRuntime::find(library)?.on_threads(threads)))
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

    pub(super) fn find(_: Option<&Path>, _: usize) -> anyhow::Result<Arc<dyn Engine>> {
        anyhow::bail!("this program was built without the feature onnxruntime")
    }

    pub(super) fn reference(_: Option<&Path>) -> Option<Box<dyn Reference>> {
        None
    }
}
