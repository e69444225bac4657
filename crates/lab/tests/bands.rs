//! Stages of several layers, divided into bands: on graphs drawn by seed and on the
//! models of the zoo, with every tolerated loss, the answer is that of the whole
//! model.

use std::sync::Arc;

use anyhow::Context;
use quorate::bundle::{self, ModelFile};
use quorate::random::SplitMix;
use quorate::rehearsal::Rehearsal;
use quorate_core::plan::Plans;
use quorate_core::planner::{self, MethodRequest, PlanRequest, PlannerError};
use quorate_engine::{Engine, Tract};
use quorate_lab::random_graph::{input, random_graph};
use quorate_model::division::method::Method;
use quorate_model::stage::{Cut, Staged};
use quorate_model::tensor::{DType, Tensor};

/// Graphs tried, and how many of them must have a stage of bands at least.
const GRAPHS: (u64, usize) = (150, 60);

/// Values with an area that nodes make.
fn areas(staged: &Staged) -> Vec<String> {
    let graph = &staged.model.graph;
    let made = graph.nodes.iter().flat_map(|node| &node.outputs);
    let has_area = |name: &&String| {
        let of = graph.types.get(*name);
        of.is_some_and(|of| {
            of.dtype == DType::F32 && of.shape.len() > 2 && of.shape[2..].iter().any(|d| *d > 1)
        })
    };
    made.filter(has_area).cloned().collect()
}

/// The plan with `bands` divided over so many devices.
fn plans(
    file: &ModelFile,
    bands: &[String],
    data: usize,
    spares: usize,
) -> Result<Plans, PlannerError> {
    let mut request = PlanRequest::local(&file.name, &file.sha256, data, spares)?;
    let of = |value: &String| MethodRequest { layer: Some(value.clone()), method: Method::Bands };
    request.methods = bands.iter().map(of).collect();
    request.fewest_devices = data;
    let plans = planner::even(&file.staged, &request)?;
    Ok(Plans::parse(&plans.to_toml()).expect("reads back"))
}

fn random(shape: &[usize], random: &mut SplitMix) -> Tensor {
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|_| random.below(2001) as f32 / 1000.0 - 1.0).collect();
    Tensor::from_f32(shape.to_vec(), &values).expect("a value an element")
}

#[test]
fn graphs_in_bands() {
    let (mut tried, mut refused) = (0, 0);
    for seed in 0..GRAPHS.0 {
        let mut drawn = SplitMix::new(seed);
        let (_, shape) = input(seed);
        let bytes = random_graph(seed, 4 + drawn.below(10));
        let name = format!("graph-{seed}.onnx");
        let Ok(file) = ModelFile::new(name, bytes.into(), std::path::Path::new(".")) else {
            continue;
        };
        let areas = areas(&file.staged);
        if areas.is_empty() {
            continue;
        }
        let mut bands: Vec<String> =
            (0..1 + drawn.below(2)).map(|_| areas[drawn.below(areas.len())].clone()).collect();
        bands.sort();
        bands.dedup();
        let cut = Cut { whole: bands.clone(), ..Cut::default() };
        let Ok(file) = file.cut(&cut) else { continue };
        let (data, spares) = (1 + drawn.below(4), drawn.below(3));
        let plans = match plans(&file, &bands, data, spares) {
            Ok(plans) => plans,
            Err(error) => {
                assert!(error.to_string().contains("bands"), "graph {seed}: {error}");
                refused += 1;
                continue;
            }
        };
        let x = random(&shape, &mut drawn);
        if let Err(error) = rehearse(&file, plans, x, spares) {
            panic!("graph {seed}, {bands:?} over {data} + {spares}: {error:#}");
        }
        tried += 1;
    }
    println!("{tried} tried, {refused} refused");
    assert!(tried >= GRAPHS.1, "{tried} of {}, {refused} refused", GRAPHS.0);
}

/// Packs and plays it with every loss; the answers must be the model's own.
fn rehearse(file: &ModelFile, plans: Plans, x: Tensor, spares: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let packed = folder.path().join("bundle");
    let tolerance = plans.main().tolerance();
    let most = plans.cluster().devices().len();
    anyhow::ensure!(tolerance >= spares.min(most - 1), "{tolerance} may fail, {spares} asked for");
    bundle::write(&file.staged, &file.sha256, &plans, &packed, &mut |_| ()).context("packing")?;
    let engine: Arc<dyn Engine> = Arc::new(Tract::default());
    let rehearsal = Rehearsal::new(&engine, None, file, plans, &packed, vec![x])?;
    for finding in
        rehearsal.stages(&mut |_| ())?.iter().chain(&rehearsal.dead_throughout(&mut |_| ())?)
    {
        let limit = finding.limit.max(2e-4);
        anyhow::ensure!(
            finding.error <= limit,
            "{}: off by {:e} {:?}",
            finding.what,
            finding.error,
            finding.worst
        );
    }
    Ok(())
}
