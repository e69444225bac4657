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
use quorate_lab::sim::{Ending, Fault, Record, Requests};
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

/// For so long more may wait than later: many at once are no crowd yet.
const ONSET_S: f64 = 0.5;

/// What came of `rate` requests a second for so long.
struct Seen {
    /// Answers a second.
    goodput: f64,
    /// Requests that were taken in and not answered.
    lost: usize,
    refused: usize,
    /// Of requests that came first.
    onset_ms: Vec<f64>,
    /// Of all others.
    latencies_ms: Vec<f64>,
}

/// When the request of this number comes, of `rate` a second.
fn due(index: usize, rate: f64) -> Duration {
    Duration::from_secs_f64(index as f64 / rate)
}

/// `rate` requests a second for so long, to a gateway that takes in what devices do.
fn stream(rate: f64, seconds: f64, faults: impl IntoIterator<Item = (Duration, Fault)>) -> Script {
    let count = (rate * seconds) as usize;
    let requests = Requests::At((0..count).map(|index| due(index, rate)).collect());
    let mut script = Script::new(requests).with(faults);
    script.gateway.adapt = true;
    script
}

fn offered(
    devices: &(Arc<Plans>, Timing),
    rate: f64,
    seconds: f64,
    faults: Vec<(Duration, Fault)>,
) -> Seen {
    let is_well = faults.is_empty();
    let record = play(devices, &stream(rate, seconds, faults));
    let (mut lost, mut refused, mut answered) = (0, 0, 0);
    let (mut onset_ms, mut latencies_ms) = (Vec::new(), Vec::new());
    for (index, ending) in record.endings.iter().enumerate() {
        let Some(ending) = ending else { continue };
        match &ending.outcome {
            Ok(answer) => {
                answered += 1;
                let is_first = due(index, rate).as_secs_f64() < ONSET_S;
                let latencies = if is_first { &mut onset_ms } else { &mut latencies_ms };
                latencies.push(ending.after.as_secs_f64() * 1e3);
                if is_well {
                    assert_eq!((answer.attempts, answer.plan), (1, 0), "nothing fails");
                }
            }
            Err(RequestError::Busy { .. }) => {
                assert_eq!(ending.after, Duration::ZERO, "refused at once");
                refused += 1;
            }
            Err(_) => lost += 1,
        }
    }
    let took = (record.ended_us as f64 / 1e6).max(seconds);
    Seen { goodput: answered as f64 / took, lost, refused, onset_ms, latencies_ms }
}

/// What one request takes by itself, at the median.
fn alone_ms(devices: &(Arc<Plans>, Timing)) -> f64 {
    let record = play(devices, &Script::one_by_one(50));
    let times: Vec<f64> = record.latencies().map(|time| time.as_secs_f64() * 1e3).collect();
    percentile(&times, 0.5)
}

const DEVICES: [(&str, &str, &str); 3] =
    [("alexnet", "pi-4", "lan-94"), ("mlp", "pi-3b-plus", "wifi-94"), ("rnn", "pi-5", "lan-1000")];

#[test]
fn five_times_too_much_is_as_good_as_what_is_just_enough() {
    for (model, profile, network) in DEVICES {
        let devices = devices(model, profile, network);
        let alone_ms = alone_ms(&devices);
        // From what one at a time does to far more than all can.
        let rate = 1e3 / alone_ms;
        let offers: Vec<f64> = (0..8).map(|step| rate * 0.7 * 1.5f64.powi(step)).collect();
        let offer = |rate: f64, times: f64| {
            offered(&devices, rate, (times * alone_ms / 1e3).max(2.0), Vec::new())
        };
        let best = offers.iter().map(|rate| offer(*rate, 400.0).goodput).fold(0.0, f64::max);
        let seen = offer(5.0 * best, 2000.0);
        let p99 = percentile(&seen.latencies_ms, 0.99);
        let onset = percentile(&seen.onset_ms, 1.0);
        println!(
            "{model} on {profile}, {network}: alone {alone_ms:.1} ms, best {best:.1}/s; at five times \
             that {:.1}/s, {} refused, {} lost, p99 {p99:.1} ms, at the beginning {onset:.1} ms",
            seen.goodput, seen.refused, seen.lost
        );
        assert_eq!(seen.lost, 0);
        assert!(seen.goodput >= 0.9 * best);
        assert!(p99 <= 3.0 * alone_ms, "{p99} ms, alone {alone_ms}");
        // Until the first are answered, nothing is known of what devices can do.
        assert!(onset <= 6.0 * alone_ms + 150.0, "{onset} ms, alone {alone_ms}");
    }
}

/// A device is away, still or cut off half of the time, and requests come at half
/// the rate at which one follows the other: there is no crowd.
#[test]
fn nothing_is_refused_because_a_device_fails() {
    for (model, profile, network) in DEVICES {
        let devices = devices(model, profile, network);
        let alone_ms = alone_ms(&devices);
        let faults = |turn: usize| {
            let (device, begin) = (turn % 5, 1.0 + turn as f64);
            let pair = match turn % 3 {
                0 => (
                    Fault::Crash { device, goodbye: turn.is_multiple_of(2) },
                    Fault::Restart(device),
                ),
                1 => (Fault::Freeze(device), Fault::Thaw(device)),
                _ => (Fault::Cut(device, 5), Fault::Mend(device, 5)),
            };
            let at = Duration::from_secs_f64;
            [(at(begin), pair.0), (at(begin + 0.5), pair.1)]
        };
        let turns = 30;
        let rate = 0.5e3 / alone_ms;
        let seen = offered(&devices, rate, turns as f64, (0..turns).flat_map(faults).collect());
        println!(
            "{model} on {profile}, {network}: {rate:.0}/s, {} refused, {} lost, p99 {:.1} ms",
            seen.refused,
            seen.lost,
            percentile(&seen.latencies_ms, 0.99)
        );
        assert_eq!((seen.refused, seen.lost), (0, 0));
    }
}

/// Four of five devices are away for three seconds while twice as many requests come
/// as all can do. Of those that wait meanwhile, no more are taken in than can be
/// answered afterwards: else each is late, and so is whoever comes after it.
#[test]
fn a_crowd_that_waits_for_devices_is_no_burden_afterwards() {
    for (model, profile, network) in DEVICES {
        let devices = devices(model, profile, network);
        let rate = 10e3 / alone_ms(&devices);
        let best = offered(&devices, rate, 10.0, Vec::new()).goodput;
        let rate = 2.0 * best;
        let away = (0..4).flat_map(|device| {
            let crash = (Duration::from_secs(5), Fault::Crash { device, goodbye: false });
            [crash, (Duration::from_secs(8), Fault::Restart(device))]
        });
        let mut script = stream(rate, 20.0, away);
        script.deadline = Duration::from_secs(2);
        let record = play(&devices, &script);
        let ended = |from: u64, to: u64, is: fn(&Ending) -> bool| {
            let endings = record.endings.iter().enumerate();
            let within = |index: usize| (from..to).contains(&due(index, rate).as_secs());
            endings.filter(|(i, e)| within(*i) && e.as_ref().is_some_and(is)).count()
        };
        let answered = |ending: &Ending| ending.outcome.is_ok();
        let lost = |ending: &Ending| {
            ending.outcome.as_ref().is_err_and(|e| !matches!(e, RequestError::Busy { .. }))
        };
        let after = ended(10, 20, answered) as f64 / 10.0;
        let (lost_then, lost_after) = (ended(0, 10, lost), ended(10, 20, lost));
        println!(
            "{model} on {profile}, {network}: best {best:.1}/s, {after:.1}/s after the loss; \
             {lost_then} lost by it, {lost_after} after it"
        );
        assert!(after >= 0.9 * best);
        assert_eq!(lost_after, 0);
    }
}
