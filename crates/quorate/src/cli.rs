//! The command line.

mod engines;
mod memory;
mod preprocessing;
mod shapes;
mod splitting;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use quorate::bundle::Statistic;
use quorate_core::audit;
use quorate_core::plan::{Protect, WaitPolicy, parse_span};

pub(crate) use engines::{Choice, EngineArgs};
pub(crate) use memory::MemoryArgs;
pub(crate) use preprocessing::Preprocessing;
pub(crate) use shapes::ShapeArgs;
pub(crate) use splitting::Splitting;

/// Runs a neural network across several small devices and does not notice
/// when one of them dies.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "\
Exit codes: 0 all is well, 1 the answer is no (a wrong or lost answer), 2 an error.

Examples:
  quorate demo
  quorate inspect model.onnx -o picture.svg
  quorate plan model.onnx --devices 4 --spares 1 -o plan.toml
  quorate pack model.onnx plan.toml -o bundle/
  quorate worker --name pi-1 --bundle bundle/pi-1
  quorate run bundle/ --input digit.png"
)]
pub(crate) struct Cli {
    /// More to read on standard error; twice for still more. RUST_LOG overrules it.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show a model's layers, how each can be split, and a drawing of them.
    Inspect(Inspect),
    /// Decide which device computes what; writes a plan file.
    Plan(Plan),
    /// Make each device's folder: its tasks, its weights, the parity.
    Pack(Pack),
    /// Are a bundle's files as they were packed?
    Verify(Verify),
    /// Serve one device's tasks.
    Worker(Worker),
    /// Ask running workers for answers.
    Run(Run),
    /// Does every tolerated loss give the model's own answers?
    Check(Check),
    /// Kill and freeze devices under a stream of digits and watch.
    Demo(Demo),
    /// Let emulated devices share one medium, such as WiFi.
    Medium(Medium),
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  quorate inspect model.onnx
  quorate inspect model.onnx --devices 8
  quorate inspect model.onnx -o picture.svg
  quorate inspect model.onnx --dot | dot -Tpdf -o picture.pdf
  quorate inspect model.onnx --json")]
pub(crate) struct Inspect {
    /// The model.
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    /// Shapes that the model leaves open.
    #[command(flatten)]
    pub shapes: ShapeArgs,
    /// Devices that share the weights: what the largest part of each layer
    /// would cost one of them.
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = at_least_one)]
    pub devices: usize,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Print the graph of the stages in Graphviz's language.
    #[arg(long, conflicts_with = "json")]
    pub dot: bool,
    /// Print a drawing of the graph of the stages.
    #[arg(long, conflicts_with_all = ["json", "dot"])]
    pub svg: bool,
    /// Write the graph to this file, as its ending says: .svg a drawing, .dot
    /// or .gv Graphviz's language; `-` for standard output.
    #[arg(short, long, value_name = "FILE", conflicts_with = "json")]
    pub output: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("needs 1 device".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("no number of devices".to_owned()),
    }
}

/// How many devices, and of what kind.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClusterSize {
    /// Devices that share the weights.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub devices: usize,
    /// Further devices, which hold parity: so many may fail without effect.
    #[arg(long, default_value_t = 1, value_name = "M")]
    pub spares: usize,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  quorate plan model.onnx --devices 4 --spares 1 -o plan.toml
  quorate plan model.onnx --method spatial,input --method conv1=whole
  quorate plan model.onnx --devices 2 --spares 1 --hosts 10.0.0.1:7001,10.0.0.2:7001,10.0.0.3:7001")]
pub(crate) struct Plan {
    /// The model.
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    /// Size of the cluster.
    #[command(flatten)]
    pub cluster: ClusterSize,
    /// Shapes that the model leaves open.
    #[command(flatten)]
    pub shapes: ShapeArgs,
    /// The plan file to write; `-` for standard output.
    #[arg(short, long, default_value = "plan.toml", value_name = "FILE")]
    pub output: PathBuf,
    /// Address of each device, spares last [default: ports of this machine from 7001].
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT,…")]
    pub hosts: Vec<String>,
    /// Names of the devices, spares last [default: pi-1, pi-2, …].
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub names: Vec<String>,
    /// How to divide layers.
    #[command(flatten)]
    pub splitting: Splitting,
    /// Pack plans for fewer devices down to this many; each takes room on
    /// every device.
    #[arg(long, default_value_t = 1, value_name = "K")]
    pub fewest: usize,
    /// Relative error below which an answer is right.
    #[arg(long, default_value_t = 1e-4)]
    pub tolerance: f64,
    /// How long a device waits for the shards all were asked to use: auto, or
    /// a time such as 5ms.
    #[arg(long, default_value = "auto", value_parser = wait_policy)]
    pub wait: WaitPolicy,
    /// Hold the shards of each stage against each other, to find devices that
    /// compute wrongly: off, detect (after the answer) or correct (before it).
    #[arg(long, default_value = "off")]
    pub verify: audit::Verify,
    /// How a loss is met: always (spare work for every request, so that a loss
    /// costs nothing) or on-demand (all devices share the work; a request that
    /// meets a loss begins anew on those left).
    #[arg(long, default_value = "always")]
    pub protect: Protect,
}

/// Arguments of `pack`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  quorate pack model.onnx plan.toml -o bundle/
  quorate pack model.onnx plan.toml -o bundle/ --measure")]
pub(crate) struct Pack {
    /// The model.
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    /// The plan.
    #[arg(value_name = "PLAN.toml")]
    pub plan: PathBuf,
    /// An input that is this number in every request, as the plan was made with.
    #[arg(long = "fix", value_name = "INPUT=NUMBER", value_parser = shapes::fixed)]
    pub fixed: Vec<(String, f64)>,
    /// Folder to make; a bundle that is there is replaced.
    #[arg(short, long, default_value = "bundle", value_name = "FOLDER")]
    pub output: PathBuf,
    /// Also run every task on this machine, which should be quiet, and note
    /// the least time of each: `quorate worker --emulate` needs it. The median,
    /// where this process has only a share of a core.
    #[arg(long, value_name = "least|median", num_args = 0..=1, default_missing_value = "least", require_equals = true, value_parser = statistic)]
    pub measure: Option<Statistic>,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  quorate verify bundle/
  quorate verify bundle/pi-1 --json")]
pub(crate) struct Verify {
    /// A bundle, or one device's folder of it.
    #[arg(value_name = "FOLDER")]
    pub bundle: PathBuf,
    /// Print a JSON object for each folder.
    #[arg(long)]
    pub json: bool,
}

/// A device and a network to emulate.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Emulate {
    /// Emulate a network: wifi-94, lan-94, lan-1000 or a .toml file. All
    /// processes of a cluster must be on the same.
    #[arg(long, value_name = "NETWORK")]
    pub network: Option<String>,
    /// Let everything emulated take so many times as long, time-outs too,
    /// where this machine is too slow for it; times that are told are divided
    /// by it again.
    #[arg(long, default_value_t = 1.0, value_name = "K", requires = "network")]
    pub dilate: f64,
    /// Where `quorate medium` listens, for a network that is shared.
    #[arg(long, value_name = "HOST:PORT", requires = "network")]
    pub medium: Option<String>,
}

/// Arguments of `worker`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  quorate worker --name pi-1 --bundle bundle/pi-1
  quorate worker --name pi-1 --bundle bundle/pi-1 --listen 0.0.0.0:7001
  quorate worker --name pi-1 --bundle bundle/pi-1 --emulate pi-3b-plus --network lan-94")]
pub(crate) struct Worker {
    /// This device's name in the plan.
    #[arg(long)]
    pub name: String,
    /// Its folder of the bundle.
    #[arg(long, value_name = "FOLDER")]
    pub bundle: PathBuf,
    /// Where to listen [default: this device's address in the plan].
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Addresses of all devices in the plan's order, instead of the plan's.
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT,…")]
    pub hosts: Vec<String>,
    /// Tasks computed at the same time.
    #[arg(long, default_value_t = 1)]
    pub lanes: usize,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// Answer when this device would have: pi-3b-plus, pi-4, pi-5, laptop,
    /// paper, paper-literal or a .toml file. The bundle must have been packed
    /// with --measure.
    #[arg(long, value_name = "DEVICE", requires = "network")]
    pub emulate: Option<String>,
    /// A network to emulate.
    #[command(flatten)]
    pub emulated: Emulate,
    /// Seed of the delays that are drawn for an emulated device.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Add a line to this file whenever this machine was too slow to emulate
    /// the device in time.
    #[arg(long, value_name = "FILE", requires = "network")]
    pub overruns: Option<PathBuf>,
    /// End when the process that started this one ends.
    #[arg(long, hide = true)]
    pub end_with_parent: bool,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  quorate run bundle/ --input digit.png
  quorate run bundle/ --input t10k-images-idx3-ubyte.gz --limit 10 --top 1
  quorate run bundle/ --input x.npy --json
  quorate run bundle/ --input ids=ids.npy --input mask=mask.npy -o answers.npz")]
pub(crate) struct Run {
    /// The bundle, or its gateway folder.
    #[arg(value_name = "BUNDLE")]
    pub bundle: PathBuf,
    /// A picture (.png, .jpg), an array (.npy), MNIST images (IDX, also .gz)
    /// or a CIFAR-10 batch (.bin, also .gz); of several inputs once for each as
    /// NAME=FILE, or arrays of all (.npz).
    #[arg(long = "input", value_name = "[NAME=]FILE", required = true)]
    pub inputs: Vec<String>,
    /// Show this output only; once for each.
    #[arg(long = "output", value_name = "NAME")]
    pub outputs: Vec<String>,
    /// Also write all outputs to this file, as NumPy's .npz: those of several
    /// requests one behind the other.
    #[arg(short = 'o', long = "save", value_name = "FILE.npz")]
    pub save: Option<PathBuf>,
    /// Preprocessing.
    #[command(flatten)]
    pub preprocessing: Preprocessing,
    /// Show so many of the greatest outputs.
    #[arg(long, default_value_t = 5)]
    pub top: usize,
    /// Answer at most so many inputs of the file.
    #[arg(long)]
    pub limit: Option<usize>,
    /// Addresses of all devices in the plan's order, instead of the plan's.
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT,…")]
    pub hosts: Vec<String>,
    /// Check answers: off, detect or correct, instead of what the plan says.
    #[arg(long)]
    pub verify: Option<audit::Verify>,
    /// Give an input up after this long.
    #[arg(long, default_value = "10s", value_parser = span)]
    pub deadline: std::time::Duration,
    /// Time from an answer to the next request.
    #[arg(long, default_value = "0ms", value_parser = span)]
    pub pause: std::time::Duration,
    /// Wait so long for devices.
    #[arg(long, default_value = "5s", value_parser = span)]
    pub patience: std::time::Duration,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// The network that the workers emulate.
    #[command(flatten)]
    pub emulated: Emulate,
    /// What this side counts as on that network: only what messages cost the
    /// device matters.
    #[arg(long, default_value = "laptop", value_name = "DEVICE")]
    pub emulate: String,
    /// Print one JSON object a line and input.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  quorate check model.onnx --devices 4 --spares 1
  quorate check model.onnx --devices 8 --inconsistent --tolerance 1e-3
  quorate check model.onnx --method spatial,input --f16 conv1
  quorate check model.onnx --plan plan.toml")]
pub(crate) struct Check {
    /// The model.
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    /// Size of the cluster.
    #[command(flatten)]
    pub cluster: ClusterSize,
    /// Shapes that the model leaves open.
    #[command(flatten)]
    pub shapes: ShapeArgs,
    /// Check this plan, instead of one made for --devices and --spares.
    #[arg(long, value_name = "PLAN.toml", conflicts_with_all = ["devices", "spares", "methods", "glue", "whole", "f16", "recurrent", "shapes", "dims"])]
    pub plan: Option<PathBuf>,
    /// How to divide layers.
    #[command(flatten)]
    pub splitting: Splitting,
    /// Relative error that is still right [default: 1e-4 or the plan's, and
    /// where M >= 2 or f16 may add more, that].
    #[arg(long)]
    pub tolerance: Option<f64>,
    /// Also let every reader of every value lose other shards.
    #[arg(long)]
    pub inconsistent: bool,
    /// Check with the first input of this file, of several inputs once for each
    /// as NAME=FILE, or a .npz file of all [default: seeded numbers].
    #[arg(long = "input", value_name = "[NAME=]FILE")]
    pub inputs: Vec<String>,
    /// Preprocessing.
    #[command(flatten)]
    pub preprocessing: Preprocessing,
    /// Seed of the numbers and of the losses.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  quorate demo
  quorate demo --devices 2 --rate 50 --json
  quorate demo --method spatial,input
  quorate demo --model cifar10_cnn.onnx --input cifar10-test1k.bin.gz --rate 20
  quorate demo --emulate pi-4 --network lan-94 --model alexnet.onnx")]
pub(crate) struct Demo {
    /// Size of the cluster.
    #[command(flatten)]
    pub cluster: ClusterSize,
    /// Requests in all, a quarter of them before the first event [default:
    /// 2400, for emulated devices what takes half a minute].
    #[arg(long)]
    pub requests: Option<usize>,
    /// Requests a second [default: 100, for emulated devices half of what they
    /// can answer].
    #[arg(long)]
    pub rate: Option<f64>,
    /// Emulate this device in all workers, or one for each: pi-3b-plus, pi-4,
    /// pi-5, laptop, paper, paper-literal or a .toml file.
    #[arg(long, value_delimiter = ',', value_name = "DEVICE,…", requires = "network")]
    pub emulate: Vec<String>,
    /// The network that they are on.
    #[arg(long, value_name = "NETWORK", requires = "emulate")]
    pub network: Option<String>,
    /// Let everything emulated take so many times as long, where this machine
    /// is too slow for it; times that are told are divided by it again.
    #[arg(long, default_value_t = 1.0, value_name = "K", requires = "emulate")]
    pub dilate: f64,
    /// Model instead of LeNet-5.
    #[arg(long, value_name = "MODEL.onnx")]
    pub model: Option<PathBuf>,
    /// Shapes that the model leaves open.
    #[command(flatten)]
    pub shapes: ShapeArgs,
    /// Input instead of MNIST's test digits, of several inputs once for each as
    /// NAME=FILE; seeded numbers if only a model is given.
    #[arg(long = "input", value_name = "[NAME=]FILE")]
    pub inputs: Vec<String>,
    /// Preprocessing.
    #[command(flatten)]
    pub preprocessing: Preprocessing,
    /// A request without an answer for this long is lost [default: 2s, of
    /// emulated devices 20s].
    #[arg(long, value_parser = span)]
    pub deadline: Option<std::time::Duration>,
    /// How to divide layers.
    #[command(flatten)]
    pub splitting: Splitting,
    /// Seed: which devices fail, in which order inputs come.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Also write every request and event of both streams, for plots.
    #[arg(long, value_name = "FILE.csv")]
    pub trace: Option<PathBuf>,
    /// Print one JSON object at the end.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `medium`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  quorate medium
  quorate medium --listen 127.0.0.1:7100

Then, in each process: --network wifi-94 --medium 127.0.0.1:7100")]
pub(crate) struct Medium {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:7100", value_name = "HOST:PORT")]
    pub listen: String,
}

fn statistic(text: &str) -> Result<Statistic, String> {
    match text {
        "least" => Ok(Statistic::Least),
        "median" => Ok(Statistic::Median),
        other => Err(format!("\"{other}\" is neither least nor median")),
    }
}

fn wait_policy(text: &str) -> Result<WaitPolicy, String> {
    WaitPolicy::parse(text).ok_or_else(|| "neither auto nor a time such as 5ms".to_owned())
}

fn span(text: &str) -> Result<std::time::Duration, String> {
    parse_span(text).ok_or_else(|| "no time such as 250us, 5ms or 2s".to_owned())
}

/// Sends log lines to standard error: warnings, with `-v` also what happens.
pub(crate) fn start_logging(verbose: u8) {
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::prelude::*;
    let level = match verbose {
        0 => "warn",
        1 => "warn,quorate=info,quorate_core=info",
        _ => "info,quorate=debug,quorate_core=debug",
    };
    let asked = std::env::var("RUST_LOG").ok().and_then(|text| text.parse().ok());
    let filter: Targets = asked.or_else(|| level.parse().ok()).unwrap_or_default();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false);
    // A second start, as in tests, changes nothing.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}
