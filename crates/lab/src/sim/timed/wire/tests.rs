//! What messages take, by hand.

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_core::frame::{Data, Heartbeat};
use quorate_core::id::{DeviceSet, GatewayRun, PlanId, RequestId, ValueId};
use quorate_core::plan::Plans;
use quorate_core::planner::{self, PlanRequest};
use quorate_core::timing;
use quorate_model::model::{Limits, Model};
use quorate_model::stage::Staged;
use quorate_model::tensor::DType;

use super::*;

const PI_4: &str = include_str!("../../../../../../profiles/pi-4.toml");
const PAPER: &str = include_str!("../../../../../../profiles/paper.toml");
const LAN: &str = include_str!("../../../../../../profiles/networks/lan-94.toml");
const WIFI: &str = include_str!("../../../../../../profiles/networks/wifi-94.toml");
const MS: Nanos = 1_000_000;

/// Nodes without a plan. A message costs 0.3 ms, the latency is 0.3 ms, and a
/// megabyte takes a second.
fn wire(profile: &str, network: &str, nodes: usize, seed: u64) -> Wire {
    let profile = Profile::parse(profile).unwrap();
    let mut network = Network::parse(network).unwrap();
    network.bytes_per_s = 1e6;
    // These tests ask for no task.
    let costs = Costs::measured(&plans(), timing::Timing::default());
    Wire::new(&Timing::new(&profile, nodes - 1, &network, costs).seeded(seed))
}

fn plans() -> Plans {
    let model = Model::read(crate::sim::branches::onnx(), &Limits::default()).unwrap();
    let request = PlanRequest::local("m", &"0".repeat(64), 2, 0).unwrap();
    planner::even(&Staged::new(model).unwrap(), &request).unwrap()
}

/// A shard whose frame has so many bytes in all.
fn shard(bytes: usize) -> Frame {
    let mut data = Data {
        input: false,
        request: RequestId { run: GatewayRun { gateway: 1, epoch: 1 }, number: 0 },
        attempt: 0,
        plan: PlanId(1),
        members: DeviceSet::default(),
        suspects: DeviceSet::default(),
        checks: Default::default(),
        of_decoded: false,
        deadline_left_us: 1,
        value: ValueId(0),
        shard: 0,
        place: (0, 1),
        dtype: DType::U8,
        shape: vec![0],
        payload: Bytes::new().into(),
    };
    let head = Frame::Data(data.clone()).encode().size();
    data.shape = vec![(bytes - head) as u32];
    data.payload = Bytes::from(vec![0; bytes - head]).into();
    Frame::Data(data)
}

/// Sends frames at their times and lets them all arrive: when each does.
fn arrivals(wire: &mut Wire, messages: &[(Nanos, usize, usize, Frame)]) -> Vec<Nanos> {
    enum Entry {
        Send(usize),
        Hop(usize, Box<Letter>, Hop),
    }
    let mut queue: BTreeMap<(Nanos, u64), Entry> = BTreeMap::new();
    let mut sequence = 0;
    for (index, message) in messages.iter().enumerate() {
        sequence += 1;
        queue.insert((message.0, sequence), Entry::Send(index));
    }
    let mut there = vec![0; messages.len()];
    while let Some(((now, _), entry)) = queue.pop_first() {
        let (index, next) = match entry {
            Entry::Hop(index, letter, hop) => (index, wire.hop(now, letter, hop)),
            Entry::Send(index) => {
                let (_, from, to, frame) = &messages[index];
                let (to, mut next) = (Address { node: *to, incarnation: 0 }, Vec::new());
                wire.send(now, *from, frame.clone(), &[to], &mut next);
                assert_eq!(next.len(), 1);
                (index, next.remove(0))
            }
        };
        match next {
            Next::Arrive(at, _) => there[index] = at,
            Next::Hop(at, letter, hop) => {
                sequence += 1;
                queue.insert((at, sequence), Entry::Hop(index, letter, hop));
            }
        }
    }
    there
}

#[test]
fn messages_share_ports_and_media() {
    let one = || shard(1000);
    let out = |n: usize| (1..=n).map(|to| (0, 0, to, one())).collect::<Vec<_>>();
    let into = |n: usize| (1..=n).map(|from| (0, from, 0, one())).collect::<Vec<_>>();
    // 0.3 ms for the message, 1 ms for its bytes, 0.3 ms on the way.
    let cases: [(&str, Vec<_>, &[f64]); 8] = [
        (LAN, out(1), &[1.6]),
        (LAN, out(4), &[1.6, 2.9, 4.2, 5.5]),
        (LAN, into(4), &[1.6, 2.9, 4.2, 5.5]),
        // Pairs do not disturb each other behind a switch.
        (LAN, vec![(0, 0, 1, one()), (0, 2, 3, one())], &[1.6, 1.6]),
        // On a shared medium only bytes wait for each other; what a message
        // costs its nodes passes meanwhile.
        (WIFI, out(1), &[1.3]),
        (WIFI, out(4), &[1.3, 2.3, 3.3, 4.3]),
        (WIFI, into(4), &[1.3, 2.3, 3.3, 4.3]),
        (WIFI, vec![(0, 0, 1, one()), (0, 2, 3, one())], &[1.3, 2.3]),
    ];
    for (network, messages, ms) in cases {
        let got = arrivals(&mut wire(PI_4, network, 5, 1), &messages);
        let expected: Vec<Nanos> = ms.iter().map(|ms| (ms * MS as f64).round() as Nanos).collect();
        assert_eq!(got, expected, "{} messages, shared: {}", messages.len(), network == WIFI);
    }
}

/// A message that will come later does not keep the receiver's port from one
/// that is there before.
#[test]
fn a_port_takes_what_is_there_first() {
    // Node 0 sends to others before it sends to 4; what 1 sends to 4 later is
    // there before.
    let mut messages: Vec<_> = (1..4).map(|to| (0, 0, to, shard(1000))).collect();
    messages.extend([(0, 0, 4, shard(1000)), (MS, 1, 4, shard(1000))]);
    let got = arrivals(&mut wire(PI_4, LAN, 5, 1), &messages);
    assert_eq!(got[4], MS + 1_600_000, "sent at 1 ms, as if alone");
    assert_eq!(got[3], 3 * 1_300_000 + 1_600_000, "after three others have left");
}

/// Delays hold up shards alone; the n-th of a link is the same whatever else
/// is sent, and another seed has others.
#[test]
fn delays_belong_to_a_link() {
    let link = |seed: u64, others: bool| {
        let mut messages = Vec::new();
        for round in 0..50 {
            if others {
                messages.push((round * 1000 * MS, 2, 1, shard(1000)));
                messages.push((round * 1000 * MS, 0, 2, shard(1000)));
            }
            messages.push((round * 1000 * MS + 500 * MS, 0, 1, shard(1000)));
        }
        let got = arrivals(&mut wire(PAPER, LAN, 3, seed), &messages);
        let of_link =
            messages.iter().zip(got).filter(|((_, from, to, _), _)| (*from, *to) == (0, 1));
        of_link.map(|(message, at)| at - message.0).collect::<Vec<Nanos>>()
    };
    let alone = link(1, false);
    assert_ne!(alone, link(2, false));
    let waits = |times: &[Nanos]| times.iter().filter(|time| **time > 1_300_000).count();
    assert_eq!(waits(&alone), 50, "every shard waits");
    // Ports may be taken when a shard is ready, so that times differ a little.
    let apart = |(a, b): (&Nanos, &Nanos)| a.abs_diff(*b) < 5 * MS;
    assert!(alone.iter().zip(&link(1, true)).all(apart), "{alone:?}");
    let beat = Frame::Heartbeat(Heartbeat::default());
    let bytes = beat.encode().size() as u64;
    let got = arrivals(&mut wire(PAPER, LAN, 3, 1), &[(0, 0, 1, beat)]);
    assert_eq!(got, [bytes * 1000 + 300_000], "a sign of life does not wait");
}

/// As many are below a time as the profile's distribution has below it.
#[test]
fn delays_have_the_profiles_distribution() {
    let messages: Vec<_> = (0..4000).map(|i| (i * 10_000 * MS, 0, 1, shard(1000))).collect();
    let got = arrivals(&mut wire(PAPER, LAN, 2, 7), &messages);
    let after = got.iter().zip(&messages).map(|(at, message)| at - message.0 - 1_300_000);
    let after: Vec<Nanos> = after.collect();
    let delay = Profile::parse(PAPER).unwrap().answer_delay;
    for ms in [5, 20, 50, 150] {
        let share = delay.share_below(Duration::from_millis(ms));
        let below = after.iter().filter(|time| **time < ms * MS).count() as f64 / 4000.0;
        assert!((below - share).abs() < 0.025, "{below} below {ms} ms, expected {share}");
    }
}
