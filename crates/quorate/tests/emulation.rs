//! Emulated devices on emulated networks: right answers, and clear words where
//! something is missing.

mod support;

use support::{Bundle, Worker, quorate, words};

/// A bundle whose tasks were measured.
fn measured() -> Bundle {
    let bundle = Bundle::new(2, 1);
    let output = quorate(&[
        "pack",
        support::lenet().to_str().unwrap(),
        &bundle.path("plan.toml"),
        "-o",
        &bundle.path("bundle"),
        "--measure",
    ]);
    assert!(output.status.success(), "{}", words(&output));
    bundle
}

/// All of a cluster on one network, which may need `more`.
fn answers_over(network: &str, more: &[&str]) {
    let bundle = measured();
    let on_network = [&["--network", network, "--dilate", "2"], more].concat();
    let emulated = [&["--emulate", "pi-4", "--seed", "7"][..], &on_network].concat();
    let mut workers: Vec<Worker> = (0..3).map(|device| bundle.start(device, &emulated)).collect();
    let answers = bundle.assert_answers(&on_network);
    assert!(answers.iter().all(|answer| answer["attempts"] == 1), "{answers:?}");
    workers[1].kill();
    bundle.assert_answers(&on_network);
}

#[test]
fn answers_are_right_behind_a_switch() {
    answers_over("lan-94", &[]);
}

#[test]
fn answers_are_right_over_a_shared_medium() {
    let mut medium = Worker::start(&["medium", "--listen", "127.0.0.1:0"]);
    let said = medium.await_line("listens on ");
    let address = said.rsplit(' ').next().unwrap().to_owned();
    answers_over("wifi-94", &["--medium", &address]);
}

#[test]
fn what_is_missing_is_named_with_the_remedy() {
    let bundle = Bundle::new(2, 1);
    let folder = bundle.path("bundle/pi-1");
    let worker = |more: &[&str]| {
        let output = quorate(&[&["worker", "--name", "pi-1", "--bundle", &folder], more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", words(&output));
        String::from_utf8(output.stderr).unwrap()
    };
    let said = worker(&["--emulate", "pi-4", "--network", "lan-94"]);
    assert!(said.contains("timing.toml: pack with --measure to emulate devices"), "{said}");
    let said = worker(&["--emulate", "pi-4", "--network", "wifi-94"]);
    assert!(said.contains("network wifi-94 is shared: start `quorate medium`"), "{said}");
    let said = worker(&["--emulate", "pi-4"]);
    assert!(said.contains("--network"), "{said}");
    let said = worker(&["--emulate", "pi-9", "--network", "lan-94"]);
    assert!(said.contains("no device pi-9: there are pi-3b-plus"), "{said}");
    let said = worker(&["--emulate", "pi-4", "--network", "lan-94", "--dilate", "0.5"]);
    assert!(said.contains("dilation 0.5, must be within [1, 1000]"), "{said}");
    let said = worker(&["--network", "lan-94"]);
    assert!(said.contains("--network without --emulate"), "{said}");
}

#[test]
fn a_demo_over_emulated_devices_loses_nothing() {
    let args = ["demo", "--json", "--devices", "2", "--emulate", "pi-4", "--network", "wifi-94"];
    let output = quorate(&[&args[..], &["--requests", "48", "--rate", "12"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["lost"], &report["wrong"]), (&0.into(), &0.into()), "{report}");
    assert!(report["overruns"].is_u64(), "{report}");
}
