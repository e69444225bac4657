//! Simulated times held against times worked out by hand.

use std::time::Duration;

use quorate_core::cluster::{Network, Profile};
use quorate_core::gateway::GatewayConfig;
use quorate_core::plan::WaitPolicy;
use quorate_model::model::{Limits, Model};
use quorate_model::stage::Staged;

use super::*;
use crate::sim::blank::Blank;
use crate::sim::course::Requests;
use crate::sim::fault::Fault;
use crate::sim::material::{Material, Packing};
use crate::zoo::{self, Net, Size};

const US: fn(u64) -> Duration = Duration::from_micros;
const MS: fn(u64) -> Duration = Duration::from_millis;

/// A multiply-accumulate a nanosecond, weights for nothing, 100 us a message.
const DEVICE: &str = r#"
name = "round"
what = "numbers that are easy to reckon with"
memory_bytes = { value = 1e9, source = "made up" }
storage_bytes_per_s = { value = 1e9, source = "made up" }
message_cost_us = { value = 100, source = "made up" }
[compute]
winograd_macs_per_s = { value = 0, source = "made up" }
conv_macs_per_s = { value = 1e9, source = "made up" }
depthwise_macs_per_s = { value = 1e9, source = "made up" }
fc_macs_per_s = { value = 1e9, source = "made up" }
memory_bytes_per_s = { value = 1e18, source = "made up" }
node_overhead_us = { value = 20, source = "made up" }
"#;

/// A microsecond a byte.
const NETWORK: &str = r#"
name = "round"
what = "a microsecond a byte"
shared = false
bytes_per_s = { value = 1e6, source = "made up" }
latency_us = { value = 500, source = "made up" }
"#;

/// One layer, 1000 inputs and 100 outputs.
fn one_layer() -> Vec<u8> {
    let mut net = Net::new("one");
    let x = net.input("x", &[1, 1000]);
    let y = net.gemm("fc", &x, 100);
    net.output(&y);
    net.to_bytes(1)
}

fn packed(model: Vec<u8>, data: usize, parity: usize) -> (Material, Timing) {
    let staged = Model::read(model.clone().into(), &Limits::default()).expect("a model");
    let staged = Staged::new(staged).expect("layers");
    let packing = Packing::new(data, parity, WaitPolicy::Auto);
    let material = Material::new(model.into(), &packing).expect("packs");
    let costs = Costs::by_share(&staged, &material.plans).expect("all stages are there");
    let device = Profile::parse(DEVICE).expect("a profile");
    let network = Network::parse(NETWORK).expect("a network");
    // Signs of life take ports too: all at once, every 25 ms.
    let timing = Timing::new(&device, data + parity, &network, costs);
    (material, Timing { starts_within: Duration::ZERO, ..timing })
}

/// 4 bytes of length, 8 before the body, 72 of fields, 8 of the shape.
const HEAD_BYTES: u64 = 4 + 8 + 72 + 8;
/// A thousand numbers.
const INPUT_US: u64 = 100 + HEAD_BYTES + 4000;
/// Fifty numbers.
const SHARD_US: u64 = 100 + HEAD_BYTES + 200;
const LATENCY_US: u64 = 500;
/// A sign of life: 4 bytes of length, 8 before the body, 5 counters, a set.
const BEAT_US: u64 = 100 + 4 + 8 + 6 * 8;
/// 50 rows of 1000.
const TASK_US: u64 = 20 + 50;

#[test]
fn two_devices_by_hand() {
    let (mut material, timing) = packed(one_layer(), 2, 0);
    let mut timed = Timed::new(&mut material, timing).expect("fits");
    let script = Script::new(Requests::At(vec![MS(5)]));
    let record = timed.run(&script).expect("ends");
    // The gateway sends one input after the other; each device receives while
    // it is sent, computes, and sends. The second shard comes when the first
    // has long come.
    let first = INPUT_US + LATENCY_US + TASK_US + SHARD_US + LATENCY_US;
    let expected = [US(first), US(first + INPUT_US)];
    let arrivals: Vec<_> = record.arrivals[0].iter().map(|a| (a.device, a.after)).collect();
    assert_eq!(arrivals, [(0, expected[0]), (1, expected[1])]);
    assert_eq!(record.latencies().collect::<Vec<_>>(), [expected[1]]);
    let data: Vec<u64> = record.traffic.iter().map(|traffic| traffic.data_bytes).collect();
    assert_eq!(data, [HEAD_BYTES + 200, HEAD_BYTES + 200, 2 * (HEAD_BYTES + 4000)]);
    assert_eq!(record.decoded, [0, 0]);
    assert!(record.error < 1e-5, "{}", record.error);
}

/// Two requests at once: the second waits for the first on each device's lane,
/// and for its turn at the gateway's port.
#[test]
fn a_lane_does_one_task_after_the_other() {
    let (mut material, mut timing) = packed(one_layer(), 2, 0);
    // Slow enough that tasks, not messages, are what is waited for.
    timing.devices.iter_mut().for_each(|d| d.rates.fc_macs_per_s = 1e6);
    let task_us = 20 + 50_000;
    let mut timed = Timed::new(&mut material, timing).expect("fits");
    let script = Script::new(Requests::At(vec![MS(5), MS(5)]));
    let record = timed.run(&script).expect("ends");
    let of_device = |request: usize, device: usize| {
        let mut arrivals = record.arrivals[request].iter();
        arrivals.find(|arrival| arrival.device == device).map(|arrival| arrival.after)
    };
    let first = INPUT_US + LATENCY_US + task_us + SHARD_US + LATENCY_US;
    for (device, waits) in [(0, 0), (1, INPUT_US)] {
        assert_eq!(of_device(0, device), Some(US(first + waits)), "device {device}");
        assert_eq!(of_device(1, device), Some(US(first + waits + task_us)), "device {device}");
    }
}

/// What is not computed takes as long, for blank shards have the same sizes.
#[test]
fn blank_shards_take_as_long() {
    let model = zoo::find("mlp").expect("known").net(Size::Small).to_bytes(1);
    let (mut material, timing) = packed(model, 3, 1);
    let blank = Blank::new(material.plans.clone());
    let script = Script::one_by_one(20).with([(MS(60), Fault::Crash { device: 1, goodbye: true })]);
    let played = |record: Record| (record.digest, record.traffic, record.decoded, record.ended_us);
    let computed = Timed::new(&mut material, timing.clone()).expect("fits").run(&script);
    let blank = Timed::new(blank, timing).expect("fits").run(&script);
    let (computed, blank) = (computed.expect("ends"), blank.expect("ends"));
    assert!(computed.decoded.iter().sum::<u64>() > 0, "a device is missing");
    assert!(computed.error > 0.0 && blank.error == 0.0);
    assert_eq!(played(computed), played(blank));
}

#[test]
fn one_seed_replays() {
    let (material, mut timing) = packed(one_layer(), 3, 1);
    let paper = include_str!("../../../../../profiles/paper.toml");
    timing.devices = vec![Profile::parse(paper).expect("a profile"); 4];
    let blank = Blank::new(material.plans.clone());
    let digest = |seed: u64| {
        let mut timed = Timed::new(blank.clone(), timing.clone().seeded(seed)).expect("fits");
        timed.run(&Script::one_by_one(30)).expect("ends").digest
    };
    assert_eq!(digest(3), digest(3));
    assert_ne!(digest(3), digest(4));
}

/// A device that slows down, freezes or dies without a word is not waited for.
#[test]
fn faults_are_borne_and_cost_what_they_should() {
    let (mut material, timing) = packed(one_layer(), 2, 1);
    let faults: [&[(Duration, Fault)]; 4] = [
        &[],
        &[(MS(1), Fault::Slow(0, 1000.0))],
        &[(MS(1), Fault::Freeze(0)), (MS(400), Fault::Thaw(0))],
        &[(MS(1), Fault::Crash { device: 0, goodbye: false })],
    ];
    let mut slowest = Vec::new();
    for fault in faults {
        let script = Script::one_by_one(30).with(fault.iter().copied());
        let record = Timed::new(&mut material, timing.clone()).expect("fits").run(&script);
        let record = record.expect("ends");
        assert_eq!(record.failures(), 0);
        slowest.push(record.latencies().max().expect("requests"));
    }
    let healthy = slowest[0];
    assert!(slowest.iter().all(|slow| *slow < healthy + MS(10)), "{slowest:?}");
}

/// With nobody to spare, a request waits for a frozen device, and what the
/// device had not sent goes out when it goes on.
#[test]
fn a_frozen_device_goes_on_where_it_was() {
    let (mut material, timing) = packed(one_layer(), 2, 0);
    let script = Script {
        gateway: GatewayConfig { resubmit_after: MS(60_000), ..GatewayConfig::default() },
        ..Script::new(Requests::At(vec![MS(5)]))
    };
    let frozen = script.clone().with([(MS(6), Fault::Freeze(1)), (MS(290), Fault::Thaw(1))]);
    let mut timed = Timed::new(&mut material, timing).expect("fits");
    let (plain, late) = (timed.run(&script).expect("ends"), timed.run(&frozen).expect("ends"));
    let latency = |record: &Record| record.latencies().next().expect("answered");
    // The input waits until 290 ms. While it is computed the device sends the
    // sign of life that is overdue, and the shard after both.
    let sent = MS(285) + US(BEAT_US.max(TASK_US));
    assert_eq!(latency(&late), sent + US(SHARD_US + LATENCY_US));
    assert!(latency(&plain) < latency(&late));
}

#[test]
fn clusters_behind_a_front_share_the_load() {
    let (material, timing) = packed(one_layer(), 2, 1);
    let blank = Blank::new(material.plans.clone());
    let requests: Vec<Duration> = (0..90).map(|i| MS(5) + US(i * 300)).collect();
    let play = |clusters: usize| {
        let script = Script::one_by_one(0);
        let front = Front::new(&blank, &timing, clusters, &script).expect("fits");
        front.run(&requests).expect("ends")
    };
    let (one, nine) = (play(1), play(9));
    let counts = |records: &[Record]| records.iter().map(|r| r.endings.len()).collect::<Vec<_>>();
    assert_eq!(counts(&one), [90]);
    let shares = counts(&nine);
    assert_eq!(shares.iter().sum::<usize>(), 90);
    assert!(shares.iter().all(|share| (8..=12).contains(share)), "{shares:?}");
    let slowest = |records: &[Record]| records.iter().flat_map(Record::latencies).max();
    assert!(slowest(&nine) < slowest(&one));
    let digests = |records: Vec<Record>| records.iter().map(|r| r.digest).collect::<Vec<_>>();
    assert_eq!(digests(nine), digests(play(9)));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (material, timing) = packed(one_layer(), 2, 0);
    let blank = Blank::new(material.plans.clone());
    let mut fewer = timing.clone();
    fewer.devices.pop();
    let says = |timing: Timing| {
        Timed::new(blank.clone(), timing).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert_eq!(says(fewer), "1 profiles for the 2 devices of the plan");
    let unmeasured = Costs::measured(&material.plans, quorate_core::timing::Timing::default());
    let words = says(Timing { costs: unmeasured, ..timing });
    assert!(words.contains("pack with --measure"), "{words}");
}
