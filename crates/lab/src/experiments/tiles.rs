//! Stages of several layers in bands, with either way to meet a loss, against one
//! device alone.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use quorate::bundle::ModelFile;
use quorate::emulation;
use quorate::random::SplitMix;
use quorate_core::gateway::GatewayConfig;
use quorate_core::plan::Protect;
use quorate_core::planner::{self, MethodRequest, PlanRequest};
use quorate_model::division::method::Method;
use quorate_model::stage::{Cut, Staged};
use serde::{Deserialize, Serialize};

use super::overruns;
use crate::data;
use crate::experiment::{Context, Experiment, Goal, Outcome, Table, Verdict};
use crate::fleet::{Blow, Fleet, Pace, Request, Script, Site, World, latencies};
use crate::statistics::percentile;
use crate::zoo::{self, Size};

/// Stages of several layers in bands.
pub(super) struct Tiles;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    devices: usize,
    requests: usize,
    deaths: usize,
    dilation: f64,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// A name of the zoo, or a file.
    model: String,
    profile: String,
    network: String,
    /// The share of one device's time that is aimed at, by how a loss is met.
    always: Option<f64>,
    on_demand: Option<f64>,
    /// Values that end stages of bands.
    bands: Vec<String>,
    /// Layers that whoever reads what they make computes.
    #[serde(default)]
    glue: Vec<String>,
}

/// What was seen of one case with one way to meet a loss; times in milliseconds.
#[derive(Default, Serialize, Deserialize)]
struct Seen {
    /// What one device takes alone, without any wire.
    alone: f64,
    healthy: Vec<Request>,
    /// Requests in which a device died.
    hit: Vec<Request>,
    /// What all devices send for a request, and the gateway.
    wire_mb: f64,
    /// The most weights that a device has.
    weights_mb: f64,
    pace: Pace,
}

const DEADLINE: Duration = Duration::from_secs(60);
const WAYS: [Protect; 2] = [Protect::Always, Protect::OnDemand];

impl Experiment for Tiles {
    fn name(&self) -> &'static str {
        "tiles"
    }

    fn title(&self) -> &'static str {
        "Bands of several layers"
    }

    fn paper(&self) -> &'static str {
        "The paper divides single layers, each of which is an exchange of all with all. Here the \
         first layers are divided by rows, several at a time: neighbours exchange the rows that \
         they lack. Bands overlap, so that any device may fail, or all devices share the work, and \
         requests that meet a loss begin anew on those left. Ratios are to one device alone."
    }

    fn spec(&self) -> &'static str {
        include_str!("../../specs/tiles.toml")
    }

    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome> {
        let spec: Spec = context.spec()?;
        let (mut outcome, mut pace) = (Outcome::default(), Pace::default());
        let columns = [
            ("model", ""),
            ("device", ""),
            ("network", ""),
            ("a loss is met", ""),
            ("alone", "ms"),
            ("median", "ms"),
            ("99 %", "ms"),
            ("median / alone", ""),
            ("wire", "MB"),
            ("weights a device", "MB"),
            ("error", ""),
        ];
        let title = format!("{} devices, tolerance 1", spec.devices);
        let mut table = Table::new("bands", &title, &columns).measured();
        for (index, case) in spec.case.iter().enumerate() {
            for (at, protect) in WAYS.into_iter().enumerate() {
                let key = format!("{}.{}.{}.{protect}", case.model, case.profile, case.network);
                context.progress(2 * index + at, 2 * spec.case.len(), &key);
                let deaths = if index == 0 { spec.deaths } else { 0 };
                let seen = context
                    .step(&key, |context| watch(context, &spec, (case, protect), deaths))
                    .with_context(|| key.clone())?;
                pace += seen.pace;
                tell(case, protect, &seen, &mut table, &mut outcome);
            }
        }
        outcome.tables.push(table);
        overruns::tell(pace, &mut outcome);
        Ok(outcome)
    }
}

fn model(case: &Case) -> anyhow::Result<ModelFile> {
    let file = match case.model.ends_with(".onnx") {
        true => ModelFile::open(&data::existing(&case.model)?)?,
        false => {
            let bytes = zoo::find(&case.model)?.net(Size::Full).to_bytes(1);
            ModelFile::new(format!("{}.onnx", case.model), bytes.into(), Path::new("."))?
        }
    };
    Ok(file)
}

fn site(spec: &Spec, case: &Case, file: ModelFile, protect: Protect) -> anyhow::Result<Site> {
    let cut = Cut { whole: case.bands.clone(), glue: case.glue.clone(), ..Cut::default() };
    let file = file.cut(&cut)?;
    let mut request = PlanRequest::local(&file.name, &file.sha256, spec.devices - 1, 1)?;
    let bands =
        |value: &String| MethodRequest { layer: Some(value.clone()), method: Method::Bands };
    request.methods = case.bands.iter().map(bands).collect();
    request.f16 = vec!["*".to_owned()];
    request.fewest_devices = spec.devices - 1;
    request.protect = protect;
    let plans = planner::even(&file.staged, &request)?;
    Site::pack(&file, &plans)
}

/// What the whole model takes on one device, without any wire.
fn alone_ms(case: &Case, file: &ModelFile) -> anyhow::Result<f64> {
    let model = file.staged.model.clone();
    let cut = Cut { whole: model.graph.outputs.clone(), ..Cut::default() };
    let (staged, profile) = (Staged::cut(model, &cut)?, emulation::profile(&case.profile)?);
    let time = staged.stages.iter().map(|stage| profile.time(&staged.work(stage)).as_secs_f64());
    Ok(time.sum::<f64>() * 1e3)
}

fn watch(
    context: &Context,
    spec: &Spec,
    (case, protect): (&Case, Protect),
    deaths: usize,
) -> anyhow::Result<Seen> {
    let file = model(case)?;
    let mut seen = Seen { alone: alone_ms(case, &file)?, ..Seen::default() };
    let site = site(spec, case, file, protect)?;
    let world = World::of(&case.profile, &case.network, spec.dilation, context.seed());
    let mut pace = Pace::default();
    let start = |world: &World| {
        context.go_on()?;
        // As if a device that dies had lost power: nothing tells of it but its silence.
        let config = GatewayConfig { trust_disconnect: false, ..GatewayConfig::default() };
        Fleet::start(context.program()?, &site, world, config)
    };
    seen.healthy = pace.on_fleet(&world, start, |fleet| {
        // The first ones meet what is not in memory yet.
        fleet.in_turn(2, Duration::ZERO, DEADLINE)?;
        fleet.in_turn(spec.requests, Duration::ZERO, DEADLINE)
    })?;
    if deaths > 0 {
        let healthy = percentile(&latencies(&seen.healthy), 0.5);
        seen.hit = pace.on_fleet(&world, start, |fleet| {
            let mut random = SplitMix::new(context.seed());
            (0..deaths).map(|_| die(context, fleet, spec, healthy, &mut random)).collect()
        })?;
    }
    seen.wire_mb = quorate_core::cost::wire_bytes(&site.plans, site.plans.main()) as f64 / 1e6;
    let folders = std::fs::read_dir(site.bundle())?;
    let weights = folders.map(|folder| {
        let file = folder?.path().join("weights.bin");
        Ok(if file.is_file() { file.metadata()?.len() } else { 0 })
    });
    let most = weights.collect::<std::io::Result<Vec<_>>>()?.into_iter().max();
    seen.weights_mb = most.unwrap_or(0) as f64 / 1e6;
    Ok(Seen { pace, ..seen })
}

/// A request in which one device dies at a random moment; then it is started again.
fn die(
    context: &Context,
    fleet: &mut Fleet<'_>,
    spec: &Spec,
    healthy_ms: f64,
    random: &mut SplitMix,
) -> anyhow::Result<Request> {
    context.go_on()?;
    let device = random.below(spec.devices);
    let moment = Duration::from_secs_f64(random.share() * healthy_ms / 1e3);
    let script = Script {
        due: vec![Duration::ZERO],
        blows: vec![(moment, Blow::Kill(device))],
        deadline: DEADLINE,
    };
    let hit = fleet.play(&script)?.remove(0);
    fleet.strike(Blow::Launch(device))?;
    anyhow::ensure!(fleet.recover(Duration::from_secs(30)), "device {device} did not come back");
    fleet.in_turn(2, Duration::ZERO, DEADLINE)?;
    Ok(hit)
}

fn tell(case: &Case, protect: Protect, seen: &Seen, table: &mut Table, outcome: &mut Outcome) {
    let at = |requests: &[Request], share| percentile(&latencies(requests), share);
    let (median, ratio) = (at(&seen.healthy, 0.5), at(&seen.healthy, 0.5) / seen.alone);
    let all = || seen.healthy.iter().chain(&seen.hit);
    let error = all().map(|request| request.error).fold(0.0, f64::max);
    table.push(vec![
        case.model.as_str().into(),
        case.profile.as_str().into(),
        case.network.as_str().into(),
        protect.to_string().into(),
        seen.alone.into(),
        median.into(),
        at(&seen.healthy, 0.99).into(),
        ratio.into(),
        seen.wire_mb.into(),
        seen.weights_mb.into(),
        error.into(),
    ]);
    let named = format!("{}, {}, {}, {protect}", case.model, case.profile, case.network);
    let goal = if protect == Protect::Always { case.always } else { case.on_demand };
    if let Some(goal) = goal {
        let what = format!("{named}: median to one device alone");
        outcome.verdicts.push(Verdict::new(&what, ratio, Goal::AtMost(goal)));
    }
    let lost = all().filter(|request| request.latency_ms.is_none()).count();
    let what = format!("{named}: requests lost");
    outcome.verdicts.push(Verdict::new(&what, lost as f64, Goal::Equals(0.0, 0.0)));
    if seen.hit.is_empty() {
        return;
    }
    let mut hit = |words: &str, share: f64, base: f64, most: f64| {
        let what = format!("{named}: {words} of requests in which a device dies, to healthy");
        let ratio = at(&seen.hit, share) / base;
        outcome.verdicts.push(Verdict::new(&what, ratio, Goal::AtMost(most)));
    };
    match protect {
        Protect::Always => hit("99 %", 0.99, at(&seen.healthy, 0.99), 1.1),
        Protect::OnDemand => {
            hit("median", 0.5, median, 1.8);
            hit("the worst", 1.0, median, 2.4);
        }
    }
}
