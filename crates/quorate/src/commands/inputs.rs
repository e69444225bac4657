//! A model's inputs and outputs, as commands are told of them.

use quorate::input::Preprocess;

use crate::cli::Preprocessing;

/// The command line's words for preprocessing.
pub(crate) fn preprocess(args: &Preprocessing) -> Preprocess {
    Preprocess { scale: args.scale, mean: args.mean.clone(), std: args.std.clone() }
}
