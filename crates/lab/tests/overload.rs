//! More requests than the devices can do: what is taken in is answered, and soon,
//! and the rest is refused at once.

use std::sync::Arc;
use std::time::Duration;

use quorate::emulation;
use quorate_core::gateway::RequestError;
use quorate_core::plan::Plans;
use quorate_core::planner::{self, PlanRequest};
use quorate_lab::sim::blank::Blank;
use quorate_lab::sim::timed::{Costs, Script, Timed, Timing};
use quorate_lab::sim::{Record, Requests};
use quorate_lab::statistics::percentile;
use quorate_lab::zoo::{self, Size};
use quorate_model::model::{Limits, Model};
use quorate_model::stage::Staged;

/// A model over four devices and a spare, on a profile and a network.
fn devices(model: &str, profile: &str, network: &str) -> (Arc<Plans>, Timing) {
    let bytes = zoo::find(model).expect("known").net(Size::Small).to_bytes(1);
    let read = Model::read(bytes.into(), &Limits::default()).expect("a model");
    let staged = Staged::new(read).expect("stages");
    let request = PlanRequest::local("model.onnx", &"0".repeat(64), 4, 1).expect("a request");
    let plans = Arc::new(planner::even(&staged, &request).expect("a plan"));
    let costs = Costs::by_share(&staged, &plans).expect("costs");
    let profile = emulation::profile(profile).expect("known");
    let network = emulation::network(network).expect("known");
    let timing = Timing::new(&profile, 5, &network, costs);
    (plans, timing)
}

fn play((plans, timing): &(Arc<Plans>, Timing), script: &Script) -> Record {
    let mut timed = Timed::new(Blank::new(plans.clone()), timing.clone()).expect("fits");
    timed.run(script).expect("ends")
}

/// What came of `rate` requests a second for so long.
struct Seen {
    /// Answers a second.
    goodput: f64,
    /// Requests that were taken in and not answered.
    lost: usize,
    refused: usize,
    latencies_ms: Vec<f64>,
}

fn offered(devices: &(Arc<Plans>, Timing), rate: f64, seconds: f64) -> Seen {
    let count = (rate * seconds) as usize;
    let at = |index: usize| Duration::from_secs_f64(index as f64 / rate);
    let mut script = Script::new(Requests::At((0..count).map(at).collect()));
    script.gateway.adapt = true;
    let record = play(devices, &script);
    let (mut lost, mut refused, mut answered) = (0, 0, 0);
    for ending in record.endings.iter().flatten() {
        match &ending.outcome {
            Ok(answer) => {
                answered += 1;
                assert_eq!((answer.attempts, answer.plan), (1, 0), "nothing fails");
            }
            Err(RequestError::Busy { .. }) => {
                assert_eq!(ending.after, Duration::ZERO, "refused at once");
                refused += 1;
            }
            Err(_) => lost += 1,
        }
    }
    let latencies_ms = record.latencies().map(|time| time.as_secs_f64() * 1e3).collect();
    let took = (record.ended_us as f64 / 1e6).max(seconds);
    Seen { goodput: answered as f64 / took, lost, refused, latencies_ms }
}

#[test]
fn five_times_too_much_is_as_good_as_what_is_just_enough() {
    for (model, profile, network) in [
        ("alexnet", "pi-4", "lan-94"),
        ("mlp", "pi-3b-plus", "wifi-94"),
        ("rnn", "pi-5", "lan-1000"),
    ] {
        let devices = devices(model, profile, network);
        let alone: Vec<f64> = play(&devices, &Script::one_by_one(50))
            .latencies()
            .map(|time| time.as_secs_f64() * 1e3)
            .collect();
        let alone_ms = percentile(&alone, 0.5);
        // From what one at a time does to far more than all can.
        let rate = 1e3 / alone_ms;
        let offers: Vec<f64> = (0..8).map(|step| rate * 0.7 * 1.5f64.powi(step)).collect();
        let best = offers.iter().map(|rate| offered(&devices, *rate, 400.0 * alone_ms / 1e3));
        let best = best.map(|seen| seen.goodput).fold(0.0, f64::max);
        let seen = offered(&devices, 5.0 * best, 2000.0 * alone_ms / 1e3);
        let p99 = percentile(&seen.latencies_ms, 0.99);
        println!(
            "{model} on {profile}, {network}: alone {alone_ms:.1} ms, best {best:.1}/s; at five times \
             that {:.1}/s, {} refused, {} lost, p99 {p99:.1} ms",
            seen.goodput, seen.refused, seen.lost
        );
        assert_eq!(seen.lost, 0);
        assert!(seen.goodput >= 0.9 * best);
        assert!(p99 <= 3.0 * alone_ms, "{p99} ms, alone {alone_ms}");
    }
}
