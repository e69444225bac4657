//! Experiments by name.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use quorate_lab::experiment::Stop;
use quorate_lab::methods::{self, Model, Row, Trial};
use quorate_lab::runner::{self, Options};
use quorate_lab::zoo::{self, Size};
use quorate_lab::{experiments, report};

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
    /// Try every way to divide a layer on every model, with losses, against
    /// ONNX Runtime's answers: docs/methods.md.
    Methods {
        /// Only this model.
        #[arg(long)]
        model: Option<String>,
        /// The table to write [default: standard output].
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// The zoo in full size: minutes and gigabytes.
        #[arg(long)]
        full: bool,
    },
    /// Carry out experiments and write a report of them.
    Run {
        /// The experiment, one of `--list`, or `all`.
        #[arg(required_unless_present = "list")]
        name: Option<String>,
        /// Print the experiments there are.
        #[arg(long)]
        list: bool,
        /// Smaller counts: all experiments within minutes.
        #[arg(long)]
        quick: bool,
        /// Decides all that is drawn, in place of the specs' seeds.
        #[arg(long)]
        seed: Option<u64>,
        /// Go on after a run that was stopped: what is done is kept.
        #[arg(long)]
        resume: bool,
        /// Exit with code 1 also where a verdict does not hold.
        #[arg(long)]
        strict: bool,
        /// The program that experiments with real processes start [default:
        /// `quorate` beside this one].
        #[arg(long)]
        program: Option<PathBuf>,
        /// The folder of the report.
        #[arg(short, long, default_value = "report")]
        output: PathBuf,
    },
    /// Make the page of a report again, of the JSON files in its folder.
    Page {
        /// The folder of the report.
        #[arg(default_value = "report")]
        folder: PathBuf,
    },
    /// Write a model of seeded weights: `zoo NAME -o FILE.onnx`.
    Zoo {
        /// The model, one of `--list`.
        #[arg(required_unless_present = "list")]
        name: Option<String>,
        /// The file to write [default: NAME.onnx].
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// Decides the weights.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Fewer channels and a smaller input: a few megabytes at most.
        #[arg(long)]
        small: bool,
        /// Print the models there are.
        #[arg(long)]
        list: bool,
    },
}

/// Writes the model `name`, or prints the models there are.
fn zoo(name: Option<&str>, size: Size, seed: u64, output: Option<PathBuf>) -> anyhow::Result<()> {
    let Some(name) = name else {
        return Ok(zoo::print_list(size, &mut std::io::stdout().lock())?);
    };
    let net = zoo::find(name)?.net(size);
    let path = output.unwrap_or_else(|| PathBuf::from(format!("{name}.onnx")));
    let write = || {
        let mut file = BufWriter::new(File::create(&path)?);
        net.write(seed, &mut file)?;
        file.flush()
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// Writes the table of all models, or of one.
fn methods(model: Option<&str>, output: Option<&Path>, full: bool) -> anyhow::Result<()> {
    let models: Vec<&'static Model> = match model {
        Some(name) => vec![methods::find(name)?],
        None => methods::MODELS.iter().collect(),
    };
    let on_trial = |trial: &Trial, row: &anyhow::Result<Row>, took: Duration| {
        let result = match row {
            Ok(row) => format!("{:.1e}, {} cases", row.error, row.cases),
            Err(error) => format!("{error:#}"),
        };
        eprintln!("{:6.1} s  {trial}: {result}", took.as_secs_f64());
    };
    let size = if full { Size::Full } else { Size::Small };
    let text = methods::render(&methods::run(&models, size, &on_trial)?, size);
    match output {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
        }
        None => Ok(std::io::stdout().write_all(text.as_bytes())?),
    }
}

/// Prints what experiments there are.
fn list() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for experiment in experiments::ALL {
        writeln!(out, "{:16}  {}", experiment.name(), experiment.title())?;
    }
    Ok(())
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
        Command::Methods { model, output, full } => {
            methods(model.as_deref(), output.as_deref(), full)?;
        }
        Command::Run { list: true, .. } => list()?,
        Command::Run { name, quick, seed, resume, strict, program, output, .. } => {
            let experiments = experiments::find(name.as_deref().unwrap_or_default())?;
            let program = program.map_or_else(runner::program_beside, Ok)?;
            let options = Options { quick, seed, resume, program, output };
            let ending = runner::run(&experiments, &options, &Stop::on_ctrl_c()?)?;
            return Ok(ending.code(strict));
        }
        Command::Page { folder } => {
            let page = report::write_page(&folder, &experiments::names())?;
            println!("{}", page.display());
        }
        Command::Zoo { name, output, seed, small, list } => {
            let size = if small { Size::Small } else { Size::Full };
            zoo(name.as_deref().filter(|_| !list), size, seed, output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
