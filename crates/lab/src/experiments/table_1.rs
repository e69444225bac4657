//! The paper's table 1: which ways to divide a layer are suitable for
//! robustness. What a method divides is read off tasks that were packed and
//! run; what stands in for a lost device is found by losing each.

mod divided;

use anyhow::Context as _;
use quorate_model::division::facts::Family;
use quorate_model::division::method::Method;
use quorate_model::model::{Limits, Model};
use quorate_model::stage::Staged;
use serde::{Deserialize, Serialize};

use crate::balance;
use crate::experiment::{Cell, Context, Experiment, Goal, Outcome, Table, Verdict};
use crate::methods::{self, TrialKind, Way};
use crate::zoo::{self, Size};
use divided::Divided;

/// Which ways to divide a layer are suitable for robustness.
pub(super) struct Table1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    model: String,
    conv: String,
    fc: String,
    devices: usize,
    balance: BalanceSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BalanceSpec {
    model: String,
    size: Size,
    rounds: usize,
}

/// A row of the paper's table.
struct Paper {
    method: Method,
    /// Divides the input, the weights, the output; suitable for robustness.
    says: [bool; 4],
}

/// The table as it is printed.
const PAPER: [Paper; 5] = [
    Paper { method: Method::Output, says: [false, true, true, true] },
    Paper { method: Method::Input, says: [true, true, false, false] },
    Paper { method: Method::Channel, says: [false, true, true, true] },
    Paper { method: Method::Spatial, says: [true, false, true, false] },
    Paper { method: Method::Filter, says: [true, true, true, false] },
];

const COLUMNS: [&str; 4] =
    ["divides the input", "divides the weights", "divides the output", "suitable for robustness"];

/// What was found of a method.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    /// What of the layer's input, weights and output the largest task has.
    shares: [f64; 3],
    /// What stands in for a lost shard.
    code: String,
    /// Losses that were tried, and the worst error of the answers.
    losses: usize,
    error: f64,
    /// Is that error one that a right answer may have?
    right: bool,
    /// Operations with one spare over those without.
    work: f64,
}

impl Row {
    /// As the paper's columns. Suitable is what one device beyond the others
    /// protects with weights that are made before any request.
    fn says(&self) -> [bool; 4] {
        let [input, weights, output] = self.shares.map(|share| share < 1.0);
        [input, weights, output, self.right && self.code == OFFLINE]
    }
}

/// How the table of methods calls parity weights that are made before any
/// request, and inputs that are combined for each.
const OFFLINE: &str = "coded offline";
const AT_RUN_TIME: &str = "coded at run time";

impl Experiment for Table1 {
    fn name(&self) -> &'static str {
        "table-1"
    }

    fn title(&self) -> &'static str {
        "Methods suitable for robustness"
    }

    fn paper(&self) -> &'static str {
        "Table 1: output splitting of fully connected layers and channel splitting of \
         convolutions are suitable for robustness; input, spatial and filter splitting are not, \
         as a device more would have to do the whole computation again (spatial: \"2x compute\" at \
         run time). Section 5.2: the computations of the device that is added are similar to \
         those of the others, so that work stays balanced."
    }

    fn spec(&self) -> &'static str {
        include_str!("../../specs/table-1.toml")
    }

    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome> {
        let spec: Spec = context.spec()?;
        let total = PAPER.len() + WAYS.len();
        let mut rows = Vec::new();
        for (at, paper) in PAPER.iter().enumerate() {
            context.progress(at, total, &format!("method {}", paper.method));
            let key = paper.method.to_string();
            rows.push(context.step(&key, |_| row(paper.method, &spec))?);
        }
        let mut works = Vec::new();
        for (at, way) in WAYS.iter().enumerate() {
            context.progress(PAPER.len() + at, total, &format!("balance of {}", way.name));
            let key = format!("balance-{}", way.key);
            works.push(context.step(&key, |context| way.measure(&spec, context))?);
        }
        Ok(report(&rows, &works))
    }
}

/// Divides the layer by `method`, looks at its tasks, and loses devices.
fn row(method: Method, spec: &Spec) -> anyhow::Result<Row> {
    let model = methods::find(&spec.model)?;
    let subject = model.load(Size::Small)?;
    let (kind, layer) = match method.facts().family {
        Family::Fc => (TrialKind::Fc, &spec.fc),
        _ => (TrialKind::Conv { dims: 2 }, &spec.conv),
    };
    let mut trials = model.trials();
    let wanted = |trial: &methods::Trial| {
        trial.way == Way::Method(method) && trial.kind == kind && trial.spares == 1
    };
    let trial = trials.find(wanted).with_context(|| format!("no trial of {method}"))?;
    let found = trial.run(&subject)?;
    let alone = Divided::new(&subject.file.staged, layer, method, spec.devices, 0)?;
    let spared = Divided::new(&subject.file.staged, layer, method, spec.devices, 1)?;
    Ok(Row {
        shares: alone.shares()?,
        code: found.code.to_owned(),
        losses: found.cases,
        right: found.error <= trial.limit(),
        error: found.error,
        work: spared.flops() as f64 / alone.flops() as f64,
    })
}

/// A way to divide all layers, whose balance of work is measured.
struct Balanced {
    key: &'static str,
    name: &'static str,
    methods: &'static [Method],
    /// What the paper says of its parity device's work,
    paper: &'static str,
    /// and how much more than a data device's it may be.
    most: f64,
}

const WAYS: [Balanced; 2] = [
    Balanced {
        key: "offline",
        name: "channel and output, coded offline",
        methods: &[],
        paper: "alike",
        most: 1.1,
    },
    Balanced {
        key: "run-time",
        name: "spatial, coded at run time, and output",
        methods: &[Method::Spatial],
        paper: "2x compute",
        most: SPATIAL_MAX,
    },
];

/// Work of spatial splitting with a spare, over that without, which is clearly
/// less than the twice as much that the paper has for it.
const SPATIAL_MAX: f64 = 1.5;

/// A device's work for a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct DeviceWork {
    flops: u64,
    ms: f64,
}

impl Balanced {
    /// The work of each data device and of the spare, which is last.
    fn measure(&self, spec: &Spec, context: &mut Context) -> anyhow::Result<Vec<DeviceWork>> {
        let of = &spec.balance;
        let bytes = zoo::find(&of.model)?.net(of.size).to_bytes(context.seed());
        let staged = Staged::new(Model::read(bytes.into(), &Limits::default())?)?;
        let devices =
            balance::measure(&staged, self.methods, spec.devices, of.rounds, &mut |_| ())?;
        let work = |work: balance::Work| DeviceWork { flops: work.flops, ms: work.ms };
        Ok(devices.into_iter().map(work).collect())
    }
}

fn report(rows: &[Row], works: &[Vec<DeviceWork>]) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.tables.push(methods_table(rows));
    outcome.verdicts.extend(columns_verdicts(rows));
    outcome.verdicts.push(spatial_verdict(rows));
    let columns = [
        ("divided by", ""),
        ("device", ""),
        ("operations", "M"),
        ("time", "ms"),
        ("over the data devices' mean", ""),
    ];
    let mut table = Table::new("balance", "Work of each device for a request", &columns).measured();
    for (way, work) in WAYS.iter().zip(works) {
        let ratios = ratios(work, |work| work.ms);
        for (at, (work, ratio)) in work.iter().zip(&ratios).enumerate() {
            let parity = at + 1 == ratios.len();
            table.push(vec![
                way.name.into(),
                if parity { "parity".to_owned() } else { format!("data {}", at + 1) }.into(),
                (work.flops as f64 / 1e6).into(),
                work.ms.into(),
                (*ratio).into(),
            ]);
        }
        outcome.verdicts.extend(balance_verdicts(way, work));
    }
    outcome.tables.push(table);
    outcome.note(
        "Suitable means here what it means in the paper: one device more, with weights that are          made before any request, protects from the loss of any one. Shares are the largest that          a task has of the layer's input, weights and output over four devices without a spare;          a spatial tile's input has a border more.",
    );
    outcome.note(
        "The paper's table says that filter splitting divides the output; its section 4.2 says          that each device makes a partial sum for all elements, which is what is found here.",
    );
    outcome.note(
        "Spatial splitting is suitable all the same where the spare adds up the others' inputs          for each request: it does as much as a data device and an addition more, not twice the          computation.",
    );
    outcome
}

fn methods_table(rows: &[Row]) -> Table {
    let columns = [
        ("method", ""),
        ("share of the input", ""),
        ("share of the weights", ""),
        ("share of the output", ""),
        ("a lost device is replaced by", ""),
        ("losses tried", ""),
        ("worst error", ""),
        ("operations with a spare, over those without", ""),
        ("suitable: the paper", ""),
        ("suitable: ours", ""),
    ];
    let mut table = Table::new("methods", "What methods divide, and what protects them", &columns);
    let word = |yes: bool| Cell::from(if yes { "yes" } else { "no" });
    for (paper, row) in PAPER.iter().zip(rows) {
        let ours = match row.code.as_str() {
            AT_RUN_TIME if row.right => "not offline; yes at run time".into(),
            _ => word(row.says()[3]),
        };
        table.push(vec![
            paper.method.to_string().into(),
            row.shares[0].into(),
            row.shares[1].into(),
            row.shares[2].into(),
            row.code.as_str().into(),
            row.losses.into(),
            format!("{:.0e}", row.error).into(),
            row.work.into(),
            word(paper.says[3]),
            ours,
        ]);
    }
    table
}

/// How many methods each column of the paper's table is found right for.
fn columns_verdicts(rows: &[Row]) -> Vec<Verdict> {
    let verdict = |(column, name): (usize, &&str)| {
        let alike = |(paper, row): &(&Paper, &Row)| paper.says[column] == row.says()[column];
        let count = PAPER.iter().zip(rows).filter(alike).count() as f64;
        let all = PAPER.len() as f64;
        let what = format!("methods of which the table's \"{name}\" is found so");
        Verdict::new(&what, count, Goal::Equals(all, 0.0)).paper(all)
    };
    COLUMNS.iter().enumerate().map(verdict).collect()
}

/// What a spare costs spatial splitting.
fn spatial_verdict(rows: &[Row]) -> Verdict {
    let mut found = PAPER.iter().zip(rows).filter(|(paper, _)| paper.method == Method::Spatial);
    let work = found.find(|(_, row)| row.right && row.code == AT_RUN_TIME);
    let work = work.map_or(f64::NAN, |(_, row)| row.work);
    let what = "spatial splitting coded at run time: operations over those without a spare";
    Verdict::new(what, work, Goal::AtMost(SPATIAL_MAX)).paper("2x compute")
}

/// What of a device's work is looked at.
type Figure = fn(&DeviceWork) -> f64;

/// Each device's figure over the data devices' mean.
fn ratios(work: &[DeviceWork], figure: Figure) -> Vec<f64> {
    let data = &work[..work.len().saturating_sub(1)];
    let mean = data.iter().map(figure).sum::<f64>() / data.len() as f64;
    work.iter().map(|work| figure(work) / mean).collect()
}

fn balance_verdicts(way: &Balanced, work: &[DeviceWork]) -> [Verdict; 2] {
    let figures: [(&str, Figure); 2] =
        [("operations", |work| work.flops as f64), ("measured time", |work| work.ms)];
    figures.map(|(name, figure)| {
        let parity = ratios(work, figure).last().copied().unwrap_or(f64::NAN);
        let what = format!("{}: the parity device's {name} over a data device's", way.name);
        Verdict::new(&what, parity, Goal::AtMost(way.most)).paper(way.paper)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_losses_say_what_a_method_is_for() {
        let row = |shares, code: &str, right| Row {
            shares,
            code: code.to_owned(),
            losses: 6,
            error: 1e-6,
            right,
            work: 1.25,
        };
        let cases = [
            (row([1.0, 0.25, 0.25], OFFLINE, true), [false, true, true, true]),
            (row([1.0, 0.25, 0.25], OFFLINE, false), [false, true, true, false]),
            (row([0.3, 1.0, 0.25], AT_RUN_TIME, true), [true, false, true, false]),
            (row([0.25, 0.25, 1.0], "replicas", true), [true, true, false, false]),
        ];
        for (row, says) in cases {
            assert_eq!(row.says(), says, "{row:?}");
        }
    }

    #[test]
    fn the_last_device_is_held_against_the_others() {
        let work = |flops| DeviceWork { flops, ms: flops as f64 / 2.0 };
        let works = [work(2), work(4), work(6)];
        assert!(
            ratios(&works, |work| work.ms)
                .iter()
                .zip([2.0 / 3.0, 4.0 / 3.0, 2.0])
                .all(|(found, ratio)| (found - ratio).abs() < 1e-12)
        );
    }

    #[test]
    fn tasks_of_a_convolution_have_what_the_table_says() {
        let model = methods::find("vgg16").unwrap().load(Size::Small).unwrap();
        let shares = |method| {
            let divided = Divided::new(&model.file.staged, "conv1_2", method, 4, 0).unwrap();
            divided.shares().unwrap()
        };
        assert_eq!(shares(Method::Channel), [1.0, 0.25, 0.25]);
        // Bands of 16 rows of 64, the inner ones with a row more on both sides.
        assert_eq!(shares(Method::Spatial), [18.0 / 64.0, 1.0, 0.25]);
    }
}
