//! Experiments by name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use quorate_engine::{Engine, OnnxRuntime, Tract};
use quorate_lab::experiment::Stop;
use quorate_lab::import::Trust;
use quorate_lab::methods::{self, Model, Row, Trial};
use quorate_lab::operators::Proof;
use quorate_lab::runner::{self, Options};
use quorate_lab::sim::family::{FAMILIES, Family};
use quorate_lab::simulate::{Configuration, Played};
use quorate_lab::zoo::{self, Size};
use quorate_lab::{experiments, import, judge, report};

#[derive(Debug, Parser)]
#[command(
    version,
    about = "Experiments around quorate",
    after_help = "\
QUORATE_LAB_ENGINE=onnxruntime computes by ONNX Runtime, whose library has to be installed,
instead of the built-in engine."
)]
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
    /// Try models of a folder, each with the answers of ONNX Runtime beside it.
    Import {
        /// The folder: NAME.onnx and NAME.npz with in:... and out:...
        folder: PathBuf,
        /// Only cases whose names have this in them.
        #[arg(long)]
        only: Option<String>,
        /// Do not tell the shapes of the inputs.
        #[arg(long)]
        as_shipped: bool,
        /// Let operators through in forms that the engine was not proven in.
        #[arg(long)]
        unproven: bool,
        /// Print every case, not only those that are not right.
        #[arg(long)]
        all: bool,
        /// Fail where fewer cases are right.
        #[arg(long, default_value_t = 0)]
        least: usize,
    },
    /// Hold graphs drawn by seed, and what `quorate check` says of them, against
    /// ONNX Runtime, whose library has to be installed.
    Graphs {
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many.
        #[arg(long, default_value_t = 1000)]
        count: u64,
        /// Let operators through in forms that the engine was not proven in.
        #[arg(long)]
        unproven: bool,
        /// Print those that are refused, too.
        #[arg(long)]
        all: bool,
        /// Write those that are not allowed to this folder, made as small as they
        /// stay so.
        #[arg(long)]
        keep: Option<PathBuf>,
    },
    /// Find out in which forms of operators the built-in engine answers as ONNX
    /// Runtime does: docs/operators.md and the engine's own table.
    Operators {
        /// Folders of cases, as for `import`.
        #[arg(required = true)]
        folders: Vec<PathBuf>,
        /// Take so many graphs drawn by seed as cases, too.
        #[arg(long, default_value_t = 0)]
        graphs: u64,
        /// The page to write.
        #[arg(short, long)]
        output: PathBuf,
        /// The engine's table to write.
        #[arg(long)]
        table: PathBuf,
    },
    /// Print what task files take in one engine, as JSON.
    Time {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Run them by ONNX Runtime, whose library has to be installed, instead
        /// of the built-in engine.
        #[arg(long)]
        onnxruntime: bool,
        /// Threads of a task.
        #[arg(long, default_value_t = 1)]
        threads: usize,
        /// Rounds, of which the fastest counts.
        #[arg(long, default_value_t = 10)]
        rounds: usize,
    },
    /// Simulate configurations drawn by seed, with everything that may happen to
    /// them, and hold them to their promises.
    Simulate {
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many configurations [default: as many as the time allows].
        #[arg(long)]
        count: Option<u64>,
        /// For how long.
        #[arg(long, default_value_t = 1.0)]
        minutes: f64,
        /// Only this kind of simulation; may be given again.
        #[arg(long, value_enum)]
        family: Vec<Family>,
        /// Only one simulation of each configuration, of a kind that is drawn, too:
        /// many times as many configurations.
        #[arg(long)]
        one: bool,
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

/// Tries the cases of a folder: is none wrong, failed or in panic, and how many
/// are right.
fn import(
    folder: &Path,
    only: Option<&str>,
    trust: Trust,
    shapes: bool,
    all: bool,
) -> anyhow::Result<(bool, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut good = true;
    for case in import::cases(folder)? {
        if only.is_some_and(|word| !case.name.contains(word)) {
            continue;
        }
        let outcome = case.outcome(trust, shapes);
        *counts.entry(outcome.word()).or_default() += 1;
        good &= outcome.is_allowed();
        if all || outcome.word() != "right" {
            println!("{}: {outcome}", case.name);
        }
    }
    let right = counts.get("right").copied().unwrap_or(0);
    let counts = counts.iter().map(|(word, count)| format!("{count} {word}"));
    println!("{}", counts.collect::<Vec<_>>().join(", "));
    Ok((good, right))
}

/// Does this on a thread for each core; the first error of any.
fn on_every_core(what: impl Fn() -> anyhow::Result<()> + Sync) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(&what)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a thread of ours"))
    })
}

/// Tries graphs drawn by seed, one a core at a time; false where one is not
/// allowed. Such are told with as few nodes as it takes.
fn graphs(
    seeds: std::ops::Range<u64>,
    trust: Trust,
    all: bool,
    keep: Option<&Path>,
) -> anyhow::Result<bool> {
    let counts: Mutex<BTreeMap<&str, u64>> = Mutex::default();
    let bar = ProgressBar::new(seeds.end - seeds.start);
    bar.set_style(ProgressStyle::with_template("graphs {bar:30} {pos} of {len}, {eta} left")?);
    let tell = |line: String| bar.suspend(|| println!("{line}"));
    let good = AtomicBool::new(true);
    let next = AtomicU64::new(seeds.start);
    let some = || -> anyhow::Result<()> {
        let judge = judge::judge()?;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(());
            }
            let drawn = judge::drawn(seed, judge::NODES, trust, &*judge)?;
            *counts.lock().expect("not poisoned").entry(drawn.word()).or_default() += 1;
            bar.inc(1);
            if !drawn.is_allowed() {
                good.store(false, Ordering::Relaxed);
                let shrunk = judge::shrunk(seed, trust, &*judge)?;
                let (nodes, outcome) = shrunk.unwrap_or((judge::NODES, drawn));
                tell(format!("seed {seed}, {nodes} nodes: {outcome}"));
                keep.map_or(Ok(()), |folder| judge::keep(seed, nodes, folder))?;
            } else if all && drawn.word() == "refused" {
                tell(format!("seed {seed}: {drawn}"));
            }
        }
    };
    on_every_core(some)?;
    bar.finish_and_clear();
    let counts = counts.into_inner().expect("not poisoned");
    let counts = counts.iter().map(|(word, count)| format!("{count} {word}"));
    println!("{}", counts.collect::<Vec<_>>().join(", "));
    Ok(good.into_inner())
}

/// Proves forms of operators by the cases of folders.
fn operators(folders: &[PathBuf], graphs: u64, output: &Path, table: &Path) -> anyhow::Result<()> {
    let mut cases = Vec::new();
    for folder in folders {
        cases.extend(import::cases(folder)?);
    }
    let drawn = tempfile::tempdir().context("a temporary folder")?;
    if graphs > 0 {
        let judge = judge::judge()?;
        for seed in 1..=graphs {
            cases.extend(judge::case(seed, judge::NODES, drawn.path(), &*judge)?);
        }
    }
    let proof = Proof::of(&cases, &mut |done| eprint!("\r{done} of {}", cases.len()));
    eprintln!();
    for case in &proof.unexplained {
        println!("{case}");
    }
    let heading = "Forms of operators in which tract 0.23.9 answers as ONNX Runtime does.";
    for (path, text) in [(output, proof.page(heading)), (table, proof.table(heading))] {
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Plays configurations drawn by seed, one a core at a time, until `count` have
/// been or the time is over; false where a promise was broken.
fn simulate(
    seed: u64,
    count: Option<u64>,
    minutes: f64,
    play: impl Fn(Configuration) -> Result<Option<Played>, String> + Sync,
) -> anyhow::Result<bool> {
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let (next, good) = (AtomicU64::new(seed), AtomicBool::new(true));
    let last = seed.saturating_add(count.unwrap_or(u64::MAX));
    let all = Mutex::new((0u64, Played::default()));
    let bar = ProgressBar::new((minutes * 60.0).ceil() as u64);
    bar.set_style(ProgressStyle::with_template("simulating {bar:30} {msg}, {eta} left")?);
    let some = || {
        while Instant::now() < end {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= last {
                break;
            }
            match play(Configuration::draw(seed)) {
                Ok(None) => continue,
                Ok(Some(played)) => {
                    let mut all = all.lock().expect("not poisoned");
                    all.0 += 1;
                    all.1 += played;
                    bar.set_message(format!("{} simulations", all.1.simulations));
                }
                Err(broken) => {
                    good.store(false, Ordering::Relaxed);
                    bar.suspend(|| println!("{broken}"));
                }
            }
            bar.set_position((minutes * 60.0 - (end - Instant::now()).as_secs_f64()) as u64);
        }
        Ok(())
    };
    on_every_core(some)?;
    bar.finish_and_clear();
    let (configurations, played) = all.into_inner().expect("not poisoned");
    let Played { simulations, events, requests } = played;
    println!(
        "{configurations} configurations, {simulations} simulations, {requests} requests, {events} \
         events, {}",
        if good.load(Ordering::Relaxed) { "no promise broken" } else { "promises broken" }
    );
    Ok(good.into_inner())
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
        Command::Graphs { seed, count, unproven, all, keep } => {
            let trust = if unproven { Trust::All } else { Trust::Proven };
            let good = graphs(seed..seed + count, trust, all, keep.as_deref())?;
            return Ok(ExitCode::from(u8::from(!good)));
        }
        Command::Operators { folders, graphs, output, table } => {
            operators(&folders, graphs, &output, &table)?;
        }
        Command::Import { folder, only, as_shipped, unproven, all, least } => {
            let trust = if unproven { Trust::All } else { Trust::Proven };
            let (good, right) = import(&folder, only.as_deref(), trust, !as_shipped, all)?;
            let good = good && right >= least;
            return Ok(ExitCode::from(u8::from(!good)));
        }
        Command::Time { files, onnxruntime, threads, rounds } => {
            let engine: Box<dyn Engine> = match onnxruntime {
                true => Box::new(OnnxRuntime::find(None)?.on_threads(threads)),
                false => Box::new(Tract::on_threads(threads)),
            };
            let taken = quorate_lab::stopwatch::take(&files, &*engine, rounds)?;
            println!("{}", serde_json::to_string(&taken)?);
        }
        Command::Simulate { seed, count, minutes, family, one } => {
            let families = if family.is_empty() { FAMILIES.to_vec() } else { family };
            let play = |configuration: Configuration| match one {
                true => configuration.play_one(&families),
                false => configuration.play(&families),
            };
            return Ok(ExitCode::from(u8::from(!simulate(seed, count, minutes, play)?)));
        }
        Command::Zoo { name, output, seed, small, list } => {
            let size = if small { Size::Small } else { Size::Full };
            zoo(name.as_deref().filter(|_| !list), size, seed, output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
