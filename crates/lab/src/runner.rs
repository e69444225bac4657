//! Carries out experiments one after the other and writes the report.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;

use crate::drawing;
use crate::experiment::{Bar, Context, Experiment, Setting, Spec, Stop, Store};
use crate::experiments;
use crate::report::{self, Ended, Entry, Log, Machine, Record};

/// How experiments are carried out.
pub struct Options {
    /// With the numbers of the quick run.
    pub quick: bool,
    /// The seed, if another than the specs'.
    pub seed: Option<u64>,
    /// Go on where a run was stopped.
    pub resume: bool,
    /// The `quorate` program.
    pub program: PathBuf,
    /// The folder of the report.
    pub output: PathBuf,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Experiments that are done.
    pub done: usize,
    /// Those that failed: name and why.
    pub failed: Vec<(String, String)>,
    /// Verdicts that do not hold: the experiment, and the verdict in words.
    pub broken: Vec<(String, String)>,
    /// Was it stopped before all were carried out?
    pub stopped: bool,
}

impl Ending {
    /// The exit code: 1 where an experiment failed, or `strict` and a verdict
    /// does not hold; 130 where it was stopped.
    pub fn code(&self, strict: bool) -> ExitCode {
        match self {
            Ending { stopped: true, .. } => ExitCode::from(Stop::CODE as u8),
            Ending { failed, broken, .. } => {
                ExitCode::from(u8::from(!failed.is_empty() || strict && !broken.is_empty()))
            }
        }
    }
}

/// The `quorate` program beside this one.
pub fn program_beside() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("finding this program")?;
    Ok(own.with_file_name(format!("quorate{}", std::env::consts::EXE_SUFFIX)))
}

/// Carries out `experiments` and writes the report. One that fails does not
/// keep the others from being carried out.
pub fn run(
    experiments: &[&dyn Experiment],
    options: &Options,
    stop: &Stop,
) -> anyhow::Result<Ending> {
    let machine = Machine::here();
    let output = &options.output;
    std::fs::create_dir_all(output).with_context(|| format!("making {}", output.display()))?;
    let mut log = Log::read(output)?;
    let mut ending = Ending::default();
    for (at, experiment) in experiments.iter().enumerate() {
        let name = experiment.name();
        let place = format!("[{}/{}] {name}", at + 1, experiments.len());
        let since = Instant::now();
        let made = run_one(*experiment, options, stop, &place);
        let seconds = since.elapsed().as_secs_f64();
        let ended = match made {
            _ if made.is_err() && stop.asked() => {
                ending.stopped = true;
                break;
            }
            Ok(record) => {
                tell_done(&place, seconds, &record, &mut ending);
                Ended::Done
            }
            Err(error) => {
                let why = format!("{error:#}");
                eprintln!("{place}: failed after {seconds:.1} s: {why}");
                ending.failed.push((name.to_owned(), why.clone()));
                Ended::Failed(why)
            }
        };
        let Options { quick, seed, resume, .. } = *options;
        let entry = Entry { seconds, quick, seed, resumed: resume, ..Entry::now(&machine, ended) };
        log.experiments.insert(name.to_owned(), entry);
        log.write(output)?;
    }
    let page = report::write_page(output, &experiments::names())?;
    tell_ending(&ending, &page);
    Ok(ending)
}

/// Carries out one and writes its record.
fn run_one(
    experiment: &dyn Experiment,
    options: &Options,
    stop: &Stop,
    place: &str,
) -> anyhow::Result<Record> {
    let name = experiment.name();
    let spec = Spec::parse(experiment.spec(), options.seed, options.quick)?;
    let steps = report::steps_of(&options.output, name);
    let store = Store::open(&steps, name, &spec, options.resume)?;
    report::clear(&options.output, name)?;
    let (program, bar) = (options.program.clone(), Bar::shown(place));
    let setting = Setting { spec: spec.clone(), store, program, stop: stop.clone(), bar };
    let outcome = experiment.run(&mut Context::new(setting))?;
    let record = Record::new(experiment, &spec, outcome);
    report::write_record(&options.output, &record)?;
    Ok(record)
}

fn tell_done(place: &str, seconds: f64, record: &Record, ending: &mut Ending) {
    ending.done += 1;
    let verdicts = &record.outcome.verdicts;
    let holding = verdicts.iter().filter(|verdict| verdict.holds()).count();
    eprintln!("{place}: {seconds:.1} s, {holding} of {} verdicts hold", verdicts.len());
    for verdict in verdicts.iter().filter(|verdict| !verdict.holds()) {
        let ours = drawing::words(verdict.ours());
        let unit = verdict.unit_name();
        let ours = if unit.is_empty() { ours } else { format!("{ours} {unit}") };
        let words = format!("{}: {ours}, needs {}", verdict.what(), verdict.goal());
        ending.broken.push((record.name.clone(), words));
    }
}

fn tell_ending(ending: &Ending, page: &Path) {
    if !ending.broken.is_empty() {
        eprintln!("verdicts that do not hold:");
        ending.broken.iter().for_each(|(name, words)| eprintln!("  {name}: {words}"));
    }
    if !ending.failed.is_empty() {
        eprintln!("experiments that failed:");
        ending.failed.iter().for_each(|(name, why)| eprintln!("  {name}: {why}"));
    }
    if ending.stopped {
        eprintln!("stopped; what is done is kept: the same command with --resume goes on");
    }
    eprintln!("report: {}", page.display());
}
