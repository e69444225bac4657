//! Workers started by hand, asked by `quorate run`, killed, frozen, cut off.

mod support;

use rustix::process::Signal;
use support::Bundle;

#[test]
fn any_one_device_may_die() {
    let bundle = Bundle::new(4, 1);
    let mut workers = bundle.start_all();
    let healthy = bundle.assert_answers(&[]);
    assert!(healthy.iter().all(|answer| answer["plan"] == "main"));
    for (device, worker) in workers.iter_mut().enumerate() {
        worker.kill();
        let answers = bundle.assert_answers(&[]);
        assert!(answers.iter().all(|answer| answer["plan"] == "main" && answer["attempts"] == 1));
        *worker = bundle.start(device, &[]);
    }
    bundle.assert_answers(&[]);
}

#[test]
fn more_losses_than_spares_move_on_to_a_plan_for_fewer() {
    let bundle = Bundle::new(4, 1);
    let mut workers = bundle.start_all();
    for (left, plan) in [(3, "3-devices"), (2, "2-devices"), (1, "1-devices")] {
        while workers.len() > left {
            workers.remove(0).kill();
        }
        let answers = bundle.assert_answers(&[]);
        assert!(answers.iter().all(|answer| answer["plan"] == plan), "{answers:?}");
    }
}

#[test]
fn a_frozen_device_costs_nothing() {
    let bundle = Bundle::new(2, 1);
    let workers = bundle.start_all();
    for worker in &workers {
        worker.signal(Signal::STOP);
        let answers = bundle.assert_answers(&[]);
        assert!(answers.iter().all(|answer| answer["plan"] == "main" && answer["attempts"] == 1));
        worker.signal(Signal::CONT);
    }
    bundle.assert_answers(&[]);
}

/// One link is dead without a reset: what is sent over it vanishes.
#[test]
fn a_cut_link_costs_nothing() {
    let bundle = Bundle::new(4, 1);
    let hole = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut hosts = bundle.hosts.clone();
    hosts[1] = hole.local_addr().unwrap().to_string();
    let hosts = hosts.join(",");
    // pi-1 believes pi-2 at an address that accepts and never says a word.
    let _first = bundle.start(0, &["--hosts", &hosts, "--listen", &bundle.hosts[0]]);
    let _others: Vec<_> = (1..5).map(|device| bundle.start(device, &[])).collect();
    let answers = bundle.assert_answers(&[]);
    assert!(answers.iter().all(|answer| answer["plan"] == "main" && answer["attempts"] == 1));
}

#[test]
fn without_devices_there_is_a_clear_error() {
    let bundle = Bundle::new(2, 1);
    let folder = bundle.path("bundle");
    let digits = support::digits();
    let input = digits.to_str().unwrap();
    let output = support::quorate(&["run", &folder, "--input", input, "--patience", "50ms"]);
    assert_eq!(output.status.code(), Some(2));
    let words = support::words(&output);
    assert!(words.contains("no answer from pi-1, pi-2, pi-3"), "{words}");
}

#[test]
fn a_worker_ends_by_an_interrupt() {
    let bundle = Bundle::new(1, 0);
    let mut worker = bundle.start(0, &[]);
    worker.signal(Signal::INT);
    assert!(worker.wait().success());
}
