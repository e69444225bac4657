//! What runs tasks.

use std::path::PathBuf;

use clap::Args;

/// Most threads of a task.
const THREADS_MAX: u16 = 256;

/// What runs tasks, and on how much of this machine.
#[derive(Clone, Debug, Args)]
pub(crate) struct EngineArgs {
    /// What runs tasks: tract, which is built in; onnxruntime, whose library
    /// has to be installed; auto, onnxruntime where it is.
    #[arg(long, global = true, default_value = "auto", value_name = "ENGINE")]
    pub engine: Choice,
    /// Where ONNX Runtime's library is [default: where libraries are].
    #[arg(long, global = true, value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,
    /// Threads of each task. A device with nothing else to do is fastest with as
    /// many as it has cores.
    #[arg(long, global = true, default_value_t = 1, value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=i64::from(THREADS_MAX)))]
    pub threads: u16,
}

/// What runs tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Choice {
    /// ONNX Runtime where its library is installed, else tract.
    Auto,
    /// The engine that is built in.
    Tract,
    /// ONNX Runtime.
    Onnxruntime,
}
