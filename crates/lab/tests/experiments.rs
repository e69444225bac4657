//! Experiments from spec to page: same bytes for one seed, going on after a
//! stop, failures, and words that would be markup.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use quorate_lab::experiment::{
    Axis, Chart, Context, Experiment, Goal, Outcome, Place, SeriesKind, Stop, Table, Verdict,
};
use quorate_lab::report;
use quorate_lab::runner::{self, Ending, Options};
use quorate_lab::{experiments, experiments::find};

fn run(experiments: &[&dyn Experiment], folder: &Path, resume: bool, stop: &Stop) -> Ending {
    let options = Options {
        quick: true,
        seed: None,
        resume,
        program: PathBuf::from("no-such-program"),
        output: folder.to_owned(),
    };
    runner::run(experiments, &options, stop).expect("a run")
}

/// All files below `folder` that one seed decides, by their paths.
fn decided(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("below it").to_owned();
            if ![Path::new("run.json"), Path::new("index.html")].contains(&name.as_path()) {
                files.insert(name, fs::read(path).expect("a file"));
            }
        }
    }
    files
}

#[test]
fn one_seed_gives_the_same_bytes() {
    let runs: Vec<_> = (0..2)
        .map(|_| {
            let folder = tempfile::tempdir().unwrap();
            let ending = run(&find("cost").unwrap(), folder.path(), false, &Stop::never());
            assert_eq!((ending.done, ending.failed.len(), ending.stopped), (1, 0, false));
            assert_eq!(ending.broken, []);
            decided(folder.path())
        })
        .collect();
    assert!(runs[0] == runs[1], "two runs differ");
    let names: Vec<String> = runs[0].keys().map(|path| path.display().to_string()).collect();
    for needed in ["cost/cost.json", "cost/alexnet-plans.csv", "cost/c3d-wire-1.svg"] {
        assert!(names.contains(&needed.to_owned()), "{needed} is not among {names:?}");
    }
}

/// Two steps, of which the second is stopped the first time.
struct Stopped {
    stop: Stop,
    firsts: AtomicUsize,
}

impl Experiment for Stopped {
    fn name(&self) -> &'static str {
        "stopped"
    }

    fn title(&self) -> &'static str {
        "Stopped between two steps"
    }

    fn paper(&self) -> &'static str {
        "nothing"
    }

    fn spec(&self) -> &'static str {
        "seed = 5\n"
    }

    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome> {
        let seed = context.seed();
        let first = context.step("first", |_| {
            self.firsts.fetch_add(1, Ordering::Relaxed);
            Ok(seed as f64 / 3.0)
        })?;
        let second: f64 = context.step("second", |context| {
            if self.firsts.load(Ordering::Relaxed) == 1 && !self.stop.asked() {
                self.stop.ask();
            }
            context.go_on()?;
            Ok(first * 2.0)
        })?;
        let mut table = Table::new("sums", "Sums", &[("first", ""), ("second", "")]);
        table.push(vec![first.into(), second.into()]);
        Ok(Outcome { tables: vec![table], ..Outcome::default() })
    }
}

#[test]
fn a_run_that_was_stopped_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::never();
    let experiment = Stopped { stop: stop.clone(), firsts: AtomicUsize::new(0) };
    let ending = run(&[&experiment, find("cost").unwrap()[0]], folder.path(), false, &stop);
    assert!(ending.stopped && ending.done == 0 && ending.failed.is_empty(), "{ending:?}");
    let steps = folder.path().join("stopped/steps");
    assert!(steps.join("first.json").exists() && !steps.join("second.json").exists());

    let ending = run(&[&experiment], folder.path(), true, &Stop::never());
    assert!(ending.done == 1 && ending.failed.is_empty(), "{ending:?}");
    assert_eq!(experiment.firsts.load(Ordering::Relaxed), 1, "the first step was done again");

    let whole = tempfile::tempdir().unwrap();
    let never = Stopped { stop: Stop::never(), firsts: AtomicUsize::new(7) };
    run(&[&never], whole.path(), false, &Stop::never());
    assert!(decided(whole.path()) == decided(folder.path()), "going on made something else");
}

#[test]
fn a_run_does_not_go_on_with_steps_of_another_seed() {
    let folder = tempfile::tempdir().unwrap();
    let cost = find("cost").unwrap();
    run(&cost, folder.path(), false, &Stop::never());
    let options = Options {
        quick: true,
        seed: Some(77),
        resume: true,
        program: PathBuf::new(),
        output: folder.path().to_owned(),
    };
    let ending = runner::run(&cost, &options, &Stop::never()).unwrap();
    let [(name, why)] = &ending.failed[..] else { panic!("{ending:?}") };
    assert!(name == "cost" && why.contains("made with seed 1, this run has 77"), "{why}");
    let page = fs::read_to_string(folder.path().join("index.html")).unwrap();
    assert!(page.contains("Seed 1.") && !page.contains("Failed"), "what was there is kept");
}

/// Every word that an experiment can say is markup.
struct Hostile;

const EVIL: &str = "</title></script><script>alert('\"&')</script><img src=x onerror=\"e()\">";

impl Experiment for Hostile {
    fn name(&self) -> &'static str {
        "hostile"
    }

    fn title(&self) -> &'static str {
        EVIL
    }

    fn paper(&self) -> &'static str {
        EVIL
    }

    fn spec(&self) -> &'static str {
        "# </pre><script>alert(1)</script>\nseed = 1\n"
    }

    fn run(&self, _: &mut Context) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut table = Table::new("evil", EVIL, &[(EVIL, EVIL)]);
        table.push(vec![EVIL.into()]);
        outcome.tables.push(table);
        let x = Axis::named(EVIL, [EVIL.to_owned()]);
        let mut chart = Chart::new("evil", EVIL, x, Axis::new(EVIL, EVIL));
        chart.add(EVIL, SeriesKind::Bars, vec![(0.0, f64::NAN), (0.0, 1.0)]);
        chart.mark(EVIL, Place::Horizontal(0.5));
        outcome.charts.push(chart);
        let verdict = Verdict::new(EVIL, 1.0, Goal::AtMost(0.5)).paper(EVIL).unit(EVIL);
        outcome.verdicts.push(verdict);
        outcome.note(EVIL);
        Ok(outcome)
    }
}

/// Fails with words that are markup.
struct Failing;

impl Experiment for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn title(&self) -> &'static str {
        "Fails"
    }

    fn paper(&self) -> &'static str {
        "nothing"
    }

    fn spec(&self) -> &'static str {
        "seed = 1\n"
    }

    fn run(&self, _: &mut Context) -> anyhow::Result<Outcome> {
        anyhow::bail!("{EVIL}")
    }
}

#[test]
fn a_failure_stops_nobody_and_no_word_is_markup() {
    let folder = tempfile::tempdir().unwrap();
    let ending = run(&[&Failing, &Hostile], folder.path(), false, &Stop::never());
    assert_eq!((ending.done, ending.failed.len(), ending.broken.len()), (1, 1, 1), "{ending:?}");
    let page = fs::read_to_string(folder.path().join("index.html")).unwrap();
    let picture = fs::read_to_string(folder.path().join("hostile/evil.svg")).unwrap();
    for text in [&page, &picture] {
        for tag in ["<script", "<img"] {
            assert!(!text.contains(tag), "{tag} came through");
        }
        assert!(text.contains("&lt;script&gt;"), "what it said is shown");
    }
    // Nothing is fetched or run: the only addresses are names of files beside
    // it, and that of SVG itself.
    for (at, _) in page.match_indices("http") {
        assert!(page[at..].starts_with("http://www.w3.org/2000/svg\""), "{}", &page[at..at + 60]);
    }
    assert!(page.contains("does not hold"), "verdicts are in words");
    assert!(page.contains("Failed: "), "failures are told");
}

#[test]
fn the_page_is_made_of_the_json_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    run(&find("cost").unwrap(), folder.path(), false, &Stop::never());
    let page = folder.path().join("index.html");
    let first = fs::read_to_string(&page).unwrap();
    fs::remove_file(&page).unwrap();
    for (path, _) in decided(folder.path()) {
        if path.extension().is_some_and(|extension| extension != "json") {
            fs::remove_file(folder.path().join(path)).unwrap();
        }
    }
    assert_eq!(report::write_page(folder.path(), &experiments::names()).unwrap(), page);
    assert!(fs::read_to_string(&page).unwrap() == first, "the page differs");
}
