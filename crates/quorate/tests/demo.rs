//! The demo itself, with a short script.

mod support;

use std::process::{Command, Stdio};

use serde_json::Value;

fn demo(args: &[&str]) -> Value {
    let mut all = vec!["demo", "--json"];
    all.extend(args);
    let output = support::quorate(&all);
    assert_eq!(output.status.code(), Some(0), "{}", support::words(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn loses_nothing_while_devices_die() {
    let report = demo(&["--requests", "240", "--rate", "60"]);
    assert!(report["requests"].as_u64() >= Some(240), "{report}");
    assert_eq!(report["answered"], report["requests"]);
    assert_eq!((&report["lost"], &report["wrong"]), (&0.into(), &0.into()));
    assert_eq!(report["accuracy"], report["accuracy_whole"]);
    assert!(report["accuracy"].as_f64() > Some(0.95), "{report}");
    assert!(report["decoded"].as_u64() > Some(0), "{report}");
    let kinds: Vec<&Value> =
        report["events"].as_array().unwrap().iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["kill data", "kill parity", "freeze data"]);
    assert!(report["uncoded"]["timeout_ms"].as_f64() >= Some(100.0), "{report}");
    for window in ["healthy", "disturbed"] {
        assert!(report[window]["requests"].as_u64() > Some(20), "{report}");
    }
}

#[test]
fn runs_without_spares() {
    let report = demo(&["--devices", "2", "--spares", "0", "--requests", "60", "--rate", "30"]);
    assert_eq!(report["wrong"], 0);
}

/// No worker outlives a demo that is killed, or interrupted.
#[cfg(target_os = "linux")]
#[test]
fn leaves_no_orphans() {
    use rustix::process::Signal;

    assert_no_orphans(Signal::KILL);
    assert_no_orphans(Signal::INT);
}

#[cfg(target_os = "linux")]
fn assert_no_orphans(signal: rustix::process::Signal) {
    use std::io::{BufRead, BufReader};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, kill_process, pidfd_open};

    let mut demo = Command::new(support::PROGRAM)
        .args(["demo", "--requests", "100000"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(demo.stderr.take().unwrap()).lines();
    let first = lines.map_while(Result::ok).find(|line| line.contains("first answer"));
    assert!(first.is_some(), "the demo ended before it began");
    let children = format!("/proc/{0}/task/{0}/children", demo.id());
    let children = std::fs::read_to_string(children).unwrap();
    let workers: Vec<_> = children
        .split_whitespace()
        .map(|id| Pid::from_raw(id.parse().unwrap()).unwrap())
        .map(|pid| pidfd_open(pid, PidfdFlags::empty()).unwrap())
        .collect();
    assert_eq!(workers.len(), 5);
    kill_process(Pid::from_raw(demo.id() as i32).unwrap(), signal).unwrap();
    demo.wait().unwrap();
    for worker in &workers {
        let mut ended = [PollFd::new(worker, PollFlags::IN)];
        let limit = Timespec { tv_sec: 30, tv_nsec: 0 };
        assert_eq!(poll(&mut ended, Some(&limit)).unwrap(), 1, "a worker outlives the demo");
    }
}
