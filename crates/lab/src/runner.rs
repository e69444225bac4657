//! Carries out experiments one after the other and writes the report.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;

use crate::drawing;
use crate::experiment::{Bar, Context, Experiment, Setting, Spec, Stop, Store, Verdict};
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
        let turn = Turn { experiment: *experiment, options, place, since: Instant::now() };
        let opened = match turn.open() {
            Ok(opened) => opened,
            // What was there before is left as it is, the log too.
            Err(error) => {
                turn.failed(&error, &mut ending);
                continue;
            }
        };
        log.experiments.remove(name);
        let ended = match turn.carry_out(opened, stop) {
            Err(_) if stop.asked() => {
                ending.stopped = true;
                break;
            }
            Ok(record) => turn.done(&record, &mut ending),
            Err(error) => turn.failed(&error, &mut ending),
        };
        log.experiments.insert(name.to_owned(), turn.entry(&machine, ended));
        log.write(output)?;
    }
    let page = report::write_page(output, &experiments::names())?;
    tell_ending(&ending, &page);
    Ok(ending)
}

/// One experiment's turn in a run.
struct Turn<'a> {
    experiment: &'a dyn Experiment,
    options: &'a Options,
    /// Which of how many, for those who wait.
    place: String,
    since: Instant,
}

impl Turn<'_> {
    /// Reads the spec and opens the steps; what a run of before has made of
    /// them is removed.
    fn open(&self) -> anyhow::Result<(Spec, Store)> {
        let (name, output) = (self.experiment.name(), &self.options.output);
        let Options { seed, quick, resume, .. } = *self.options;
        let spec = Spec::parse(self.experiment.spec(), seed, quick)?;
        let store = Store::open(&report::steps_of(output, name), name, &spec, resume)?;
        report::clear(output, name)?;
        Ok((spec, store))
    }

    /// Carries it out and writes its record.
    fn carry_out(&self, (spec, store): (Spec, Store), stop: &Stop) -> anyhow::Result<Record> {
        let (program, bar) = (self.options.program.clone(), Bar::shown(&self.place));
        let setting = Setting { spec: spec.clone(), store, program, stop: stop.clone(), bar };
        let outcome = self.experiment.run(&mut Context::new(setting))?;
        let record = Record::new(self.experiment, &spec, outcome);
        report::write_record(&self.options.output, &record)?;
        Ok(record)
    }

    fn seconds(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// Tells that it is done, and keeps the verdicts that do not hold.
    fn done(&self, record: &Record, ending: &mut Ending) -> Ended {
        ending.done += 1;
        let verdicts = &record.outcome.verdicts;
        let broken = verdicts.iter().filter(|verdict| !verdict.holds());
        let broken: Vec<(String, String)> =
            broken.map(|verdict| (record.name.clone(), in_words(verdict))).collect();
        let (holding, all, seconds) =
            (verdicts.len() - broken.len(), verdicts.len(), self.seconds());
        eprintln!("{}: {seconds:.1} s, {holding} of {all} verdicts hold", self.place);
        ending.broken.extend(broken);
        Ended::Done
    }

    /// Tells that it has failed, and keeps why.
    fn failed(&self, error: &anyhow::Error, ending: &mut Ending) -> Ended {
        let why = format!("{error:#}");
        eprintln!("{}: failed after {:.1} s: {why}", self.place, self.seconds());
        ending.failed.push((self.experiment.name().to_owned(), why.clone()));
        Ended::Failed(why)
    }

    fn entry(&self, machine: &Machine, ended: Ended) -> Entry {
        let Options { quick, seed, resume, .. } = *self.options;
        let seconds = self.seconds();
        Entry { seconds, quick, seed, resumed: resume, ..Entry::now(machine, ended) }
    }
}

fn in_words(verdict: &Verdict) -> String {
    let ours = drawing::words(verdict.ours());
    let unit = verdict.unit_name();
    let ours = if unit.is_empty() { ours } else { format!("{ours} {unit}") };
    format!("{}: {ours}, needs {}", verdict.what(), verdict.goal())
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
