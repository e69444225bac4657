//! The one input of a model, for commands that give it one.

use anyhow::ensure;
use quorate::input::Preprocess;
use quorate_core::plan::Plans;
use quorate_model::value::Value;

use crate::cli::Preprocessing;

/// The model's one input.
pub(crate) fn input_value(plans: &Plans) -> anyhow::Result<&Value> {
    let inputs: Vec<_> = plans.main().inputs().collect();
    ensure!(inputs.len() == 1, "model has {} inputs, this command gives 1", inputs.len());
    Ok(&plans.values()[inputs[0].index()])
}

/// The command line's words for preprocessing.
pub(crate) fn preprocess(args: &Preprocessing) -> Preprocess {
    Preprocess { scale: args.scale, mean: args.mean.clone(), std: args.std.clone() }
}
