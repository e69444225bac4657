//! Experiments by name.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(version, about = "Experiments around quorate")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Draw the trace of a demo: `quorate demo --trace FILE.csv`.
    Plot {
        /// The trace.
        trace: PathBuf,
        /// The picture to write.
        #[arg(short, long, default_value = "demo.svg")]
        output: PathBuf,
    },
    /// Print the worst amplification of every known code.
    Codes {
        /// Counts of data shards.
        #[arg(long, value_delimiter = ',', default_values_t = [2, 3, 4, 6, 8, 12, 16, 24, 32])]
        data: Vec<usize>,
        /// Parity shards, from 1 to this many.
        #[arg(long, default_value_t = 4)]
        parity: usize,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Plot { trace, output } => {
            let text = std::fs::read_to_string(&trace)
                .with_context(|| format!("reading {}", trace.display()))?;
            let picture = quorate_lab::plot::svg(&text)?;
            std::fs::write(&output, picture)
                .with_context(|| format!("writing {}", output.display()))?;
        }
        Command::Codes { data, parity } => {
            let mut out = std::io::stdout().lock();
            quorate_lab::codes::print_table(&data, parity, &mut out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
