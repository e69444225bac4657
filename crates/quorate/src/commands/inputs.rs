//! A model's inputs and outputs, as commands are told of them.

use quorate::input::Preprocess;
use quorate_core::plan::Plans;
use quorate_engine::Port;

use crate::cli::Preprocessing;

/// Names, types and shapes of a plan's inputs.
pub(crate) fn ports(plans: &Plans) -> Vec<Port> {
    let port = |value: quorate_core::id::ValueId| {
        let value = &plans.values()[value.index()];
        Port { name: value.name.clone(), dtype: value.dtype, shape: value.shape.clone() }
    };
    plans.main().inputs().map(port).collect()
}

/// The command line's words for preprocessing.
pub(crate) fn preprocess(args: &Preprocessing) -> Preprocess {
    Preprocess { scale: args.scale, mean: args.mean.clone(), std: args.std.clone() }
}
