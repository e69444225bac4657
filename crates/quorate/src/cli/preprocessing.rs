//! How files become inputs, as the command line says it.

use clap::Args;

/// How numbers in a file become the model's input: (v * scale - mean) / std.
#[derive(Clone, Debug, Args)]
pub(crate) struct Preprocessing {
    /// Factor of every value, such as 1/255 [default: 1/255 for pictures and
    /// IDX, 1 for others].
    #[arg(long, value_parser = quorate::input::parse_fraction)]
    pub scale: Option<f32>,
    /// Subtracted after scaling: one number, or one a channel.
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true)]
    pub mean: Vec<f32>,
    /// Divided by at last: one number, or one a channel.
    #[arg(long, value_delimiter = ',')]
    pub std: Vec<f32>,
}
