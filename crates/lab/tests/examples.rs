//! The plan files in examples/plans: they are for the zoo's models as they
//! are, pack, and cover the devices that their heads say.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_core::hash::sha256_hex;
use quorate_core::id::SeatId;
use quorate_core::packing::{Shelf, pack};
use quorate_core::plan::Plans;
use quorate_core::planner::{self, PlanRequest};
use quorate_lab::zoo::{self, Size};
use quorate_model::model::{Limits, Model};
use quorate_model::stage::Staged;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/plans")
}

fn read(name: &str) -> Plans {
    let text = std::fs::read_to_string(folder().join(name)).expect("an example");
    Plans::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Keeps the sizes alone.
#[derive(Default)]
struct Sizes(Vec<(String, u64)>);

impl Shelf for Sizes {
    fn create(&mut self, folder: &str, _: &str) -> io::Result<Box<dyn Write + '_>> {
        if self.0.last().is_none_or(|(last, _)| last != folder) {
            self.0.push((folder.to_owned(), 0));
        }
        let (_, bytes) = self.0.last_mut().expect("just pushed");
        Ok(Box::new(Counter(bytes)))
    }
}

struct Counter<'a>(&'a mut u64);

impl Write for Counter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// File, devices that may fail alone, those that may not, and the weights of
/// all folders together over the model's, at most. The first two have plans
/// for fewer devices, which take the most room.
const COVERAGE: [(&str, usize, &str, f64); 6] = [
    ("alexnet-5.toml", 0, "a, b, c, d, e", 2.05),
    ("alexnet-6-coded.toml", 3, "a, b, e", 3.35),
    ("alexnet-9-cdc-2mr.toml", 9, "", 1.75),
    ("alexnet-6-one-spare.toml", 6, "", 1.75),
    ("c3d-9.toml", 6, "a, b, c", 1.35),
    ("c3d-11.toml", 8, "a, b, c", 1.25),
];

#[test]
fn coverage_is_the_papers() {
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("the examples")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    assert_eq!(files, COVERAGE.iter().map(|(name, ..)| (*name).to_owned()).collect());
    for (name, covered, others, _) in COVERAGE {
        let plans = read(name);
        let uncovered = plans.main().uncovered(plans.everybody());
        assert_eq!(plans.cluster().devices().len() - uncovered.len(), covered, "{name}");
        assert_eq!(plans.device_names(uncovered), others, "{name}");
    }
}

/// Packs every example of one model.
fn packs(model: &str, examples: &[(&str, usize, &str, f64)]) {
    let bytes = zoo::find(model).unwrap().net(Size::Full).to_bytes(1);
    let sha256 = sha256_hex(&bytes);
    let size = bytes.len() as u64;
    let model = Arc::new(Model::read(bytes.into(), &Limits::default()).unwrap());
    for (name, _, _, most) in examples {
        let plans = read(name);
        let staged = Staged::at(model.clone(), &plans.wires()).unwrap();
        let mut sizes = Sizes::default();
        pack(&staged, &sha256, &plans, &mut sizes, &mut |_| {})
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(
            sizes.0.len(),
            plans.cluster().devices().len() + 1,
            "a folder a device and the gateway's"
        );
        let all: u64 = sizes.0.iter().map(|(_, bytes)| bytes).sum();
        let share = all as f64 / size as f64;
        assert!((1.0..*most).contains(&share), "{name}: {share:.3} of the model in all");
    }
}

#[test]
fn alexnets_pack() {
    packs("alexnet", &COVERAGE[..4]);
}

#[test]
fn c3ds_pack() {
    packs("c3d", &COVERAGE[4..]);
}

/// Every layer of AlexNet over four devices and a spare, without plans for
/// fewer: each device holds a quarter of the weights, the spare as much.
#[test]
fn a_device_holds_its_share() {
    let bytes = zoo::find("alexnet").unwrap().net(Size::Full).to_bytes(1);
    let size = bytes.len() as u64;
    let staged = Staged::new(Model::read(bytes.into(), &Limits::default()).unwrap()).unwrap();
    let mut request = PlanRequest::local("alexnet.onnx", &"0".repeat(64), 4, 1).unwrap();
    request.fewest_devices = 5;
    let plans = planner::even(&staged, &request).unwrap();
    let mut sizes = Sizes::default();
    pack(&staged, &request.model_sha256, &plans, &mut sizes, &mut |_| {}).unwrap();
    for (device, bytes) in sizes.0.iter().filter(|(name, _)| name.starts_with("pi-")) {
        let share = *bytes as f64 / size as f64;
        assert!((0.24..0.27).contains(&share), "{device} holds {share:.4} of the weights");
    }
    // And so is the work, in operations.
    let work = |seat: u8| -> u64 {
        let plan = plans.main();
        let tasks = plan.tasks(SeatId(seat)).map(|(stage, shard)| {
            let layer = staged.stages[stage.index()].layer().unwrap();
            plan.stage_sharding(stage).part(shard).flops(layer)
        });
        tasks.sum()
    };
    let work: Vec<u64> = (0..5).map(work).collect();
    let (least, most) = (work.iter().min().unwrap(), work.iter().max().unwrap());
    assert!(*most as f64 / *least as f64 <= 1.05, "{work:?}");
}
