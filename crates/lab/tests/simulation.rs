//! Many seeds of every family over several plans.
//!
//! `QUORATE_SEED=n` plays one seed, `QUORATE_SEEDS=n` that many of each.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use quorate_core::plan::WaitPolicy;
use quorate_lab::sim::family::{FAMILIES, Family};
use quorate_lab::sim::material::{Material, Packing};
use quorate_lab::sim::{branches, play};
use quorate_lab::zoo::{self, Size};
use quorate_model::division::method::Method;

const LENET: &[u8] = include_bytes!("../../../assets/lenet5.onnx");

fn lenet() -> Bytes {
    Bytes::from_static(LENET)
}

fn mlp() -> Bytes {
    zoo::find("mlp").expect("known").net(Size::Small).to_bytes(1).into()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Plays all families over one bundle, `seeds` of each.
fn sweep(name: &str, model: Bytes, packing: &Packing, seeds: u64) {
    let (data, parity) = (packing.data, packing.parity);
    let mut material = Material::new(model, packing).expect("the bundle packs");
    let seeds = match (number("QUORATE_SEED"), number("QUORATE_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, many) => 0..many.unwrap_or(seeds),
    };
    let mut slowest: BTreeMap<String, (Duration, u64)> = BTreeMap::new();
    let (mut error, mut events) = (0f64, 0);
    for family in FAMILIES {
        for seed in seeds.clone() {
            match play(&mut material, family, seed) {
                Ok(record) => {
                    let after = record.endings.iter().flatten().map(|e| e.after).max();
                    let entry = slowest.entry(format!("{family:?}")).or_default();
                    *entry = (*entry).max((after.unwrap_or_default(), seed));
                    error = error.max(record.error);
                    events += record.events;
                }
                Err(broken) => panic!(
                    "{name} {data}+{parity} {family:?}: {broken} (again with QUORATE_SEED={seed})"
                ),
            }
        }
    }
    println!("{name} {data}+{parity}: {events} events, worst error {error:.1e}, {slowest:?}");
}

/// Seeds of each family and plan.
const SEEDS: u64 = 30;
const FIVE_MS: WaitPolicy = WaitPolicy::Fixed(Duration::from_millis(5));

#[test]
fn lenet_four_and_one() {
    sweep("lenet", lenet(), &Packing::new(4, 1, WaitPolicy::Auto), SEEDS);
}

#[test]
fn branches_four_and_one() {
    sweep("branches", branches::onnx(), &Packing::new(4, 1, WaitPolicy::Auto), SEEDS);
}

#[test]
fn branches_two_and_one() {
    sweep("branches", branches::onnx(), &Packing::new(2, 1, WaitPolicy::Auto), SEEDS);
}

#[test]
fn branches_two_and_one_with_a_wait() {
    sweep("branches", branches::onnx(), &Packing::new(2, 1, FIVE_MS), SEEDS);
}

#[test]
fn branches_three_and_none() {
    sweep("branches", branches::onnx(), &Packing::new(3, 0, WaitPolicy::Auto), SEEDS);
}

#[test]
fn branches_three_and_two() {
    sweep("branches", branches::onnx(), &Packing::new(3, 2, WaitPolicy::Auto), SEEDS);
}

#[test]
fn lenet_four_and_two() {
    sweep("lenet", lenet(), &Packing::new(4, 2, FIVE_MS), SEEDS);
}

#[test]
fn lenet_in_tiles_and_terms() {
    let packing = Packing::new(4, 1, WaitPolicy::Auto).by(&[Method::Spatial, Method::Input]);
    sweep("lenet spatial, input", lenet(), &packing, SEEDS);
}

#[test]
fn branches_in_tiles_and_terms() {
    let packing = Packing::new(3, 2, WaitPolicy::Auto).by(&[Method::Spatial, Method::Input]);
    sweep("branches spatial, input", branches::onnx(), &packing, SEEDS);
}

/// Bands of several layers, one device's beside the next one's, and some that are
/// sent as f16; a branch that reads the input of another, and layers with codes
/// behind.
#[test]
fn branches_in_bands() {
    for (data, parity) in [(2, 1), (3, 2), (4, 1)] {
        let mut packing =
            Packing::new(data, parity, WaitPolicy::Auto).in_bands(&["joined", "both"]);
        sweep("branches in bands", branches::onnx(), &packing, SEEDS / 3);
        packing.f16 = vec!["*".to_owned()];
        sweep("branches in bands, f16", branches::onnx(), &packing, SEEDS / 3);
    }
}

/// Readers wait for rosters here, as they would decode too far apart.
#[test]
fn low_res_in_f16() {
    let model = zoo::find("low-res").expect("known").net(Size::Small).to_bytes(1);
    let mut packing = Packing::new(3, 2, WaitPolicy::Auto).by(&[
        Method::Output,
        Method::Channel,
        Method::Spatial,
    ]);
    packing.f16 = vec!["*".to_owned()];
    let model = Bytes::from(model);
    sweep("low-res in f16", model.clone(), &packing, SEEDS / 10);
    // Some devices here are late for nearly every request.
    let mut material = Material::new(model, &packing).expect("the bundle packs");
    play(&mut material, Family::Tolerated, 3592129408).expect("kept");
}

#[test]
fn lenet_in_bands() {
    let pooled = ["/MaxPool_output_0", "/MaxPool_1_output_0"];
    let packing = Packing::new(4, 1, WaitPolicy::Auto).in_bands(&pooled);
    sweep("lenet in bands", lenet(), &packing, SEEDS);
}

#[test]
fn branches_in_terms() {
    let packing = Packing::new(2, 1, FIVE_MS).by(&[Method::Filter, Method::Input]);
    sweep("branches filter, input", branches::onnx(), &packing, SEEDS);
}

#[test]
fn branches_whole() {
    let packing = Packing::new(3, 1, FIVE_MS).by(&[Method::Whole]);
    sweep("branches whole", branches::onnx(), &packing, SEEDS);
}

/// Every value is a sum of terms of which each device is sent its columns.
#[test]
fn mlp_in_parts() {
    let packing = Packing::new(3, 0, WaitPolicy::Auto).by(&[Method::Input]);
    sweep("mlp input", mlp(), &packing, SEEDS);
}

#[test]
fn mlp_in_parts_with_copies() {
    let packing = Packing::new(2, 1, WaitPolicy::Auto).by(&[Method::Input]);
    sweep("mlp input", mlp(), &packing, SEEDS);
}

/// The same where copies are to be held against each other: sent whole.
#[test]
fn mlp_in_parts_with_copies_that_are_compared() {
    let mut packing = Packing::new(2, 1, WaitPolicy::Auto).by(&[Method::Input]);
    packing.verified = true;
    let material = Material::new(mlp(), &packing).expect("the bundle packs");
    assert!(material.can_be_audited());
    sweep("mlp input verified", mlp(), &packing, SEEDS / 3);
}

#[test]
fn one_seed_replays() {
    let packing = Packing::new(2, 1, WaitPolicy::Auto);
    let digest = || {
        let mut material = Material::new(branches::onnx(), &packing).expect("the bundle packs");
        play(&mut material, Family::Chaos, 5).expect("kept").digest
    };
    assert_eq!(digest(), digest());
}
