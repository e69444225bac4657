//! Every method over worker processes, each of which is killed in turn.

mod support;

use support::Bundle;

/// Answers are right, under the main plan and at the first attempt, with all
/// devices and without any one of them.
fn any_one_may_die(devices: usize, spares: usize, more: &[&str]) {
    let bundle = Bundle::with(devices, spares, more);
    let mut workers = bundle.start_all();
    bundle.assert_answers(&[]);
    for (device, worker) in workers.iter_mut().enumerate() {
        worker.kill();
        let answers = bundle.assert_answers(&[]);
        let unnoticed = |a: &serde_json::Value| a["plan"] == "main" && a["attempts"] == 1;
        assert!(answers.iter().all(unnoticed), "{more:?} without {device}: {answers:?}");
        *worker = bundle.start(device, &[]);
    }
}

#[test]
fn spatial_and_input() {
    any_one_may_die(3, 1, &["--method", "spatial,input"]);
}

#[test]
fn filter_and_output() {
    any_one_may_die(2, 1, &["--method", "filter,output"]);
}

#[test]
fn every_layer_whole() {
    any_one_may_die(2, 1, &["--method", "whole"]);
}

#[test]
fn half_the_bytes() {
    any_one_may_die(2, 1, &["--method", "spatial", "--f16", "all"]);
}

/// The convolutions in one piece, then a method of its own for each layer.
#[test]
fn a_mixture() {
    let methods = "/fc1/Gemm=output,/fc2/Gemm=input,/fc3/Gemm=whole";
    let whole = ["--whole", "/MaxPool_1_output_0"];
    any_one_may_die(3, 1, &[&whole[..], &["--method", methods, "--f16", "/fc1/Gemm"]].concat());
}

/// More losses than are covered: the plan for fewer has methods of its own.
#[test]
fn fewer_devices_than_the_method_needs() {
    let bundle = Bundle::with(3, 1, &["--method", "spatial,input"]);
    let mut workers = bundle.start_all();
    for (left, plan) in [(2, "2-devices"), (1, "1-devices")] {
        while workers.len() > left {
            workers.remove(0).kill();
        }
        let answers = bundle.assert_answers(&[]);
        assert!(answers.iter().all(|answer| answer["plan"] == plan), "{answers:?}");
    }
}

/// A plan edited to copies of rows that are unlike in number.
#[test]
fn copies_of_unlike_shards() {
    let bundle = Bundle::with(2, 1, &["--fewest", "3"]);
    let coded = "rows = [60, 60]\ncode = \"sum\"\ndata = [\"pi-1\", \"pi-2\"]\nparity = [\"pi-3\"]";
    let copied = "rows = [20, 100]\ndata = [\"pi-1\", \"pi-2\"]\nreplicas = [\"pi-3\", \"pi-1\"]";
    bundle.repack(coded, copied);
    let mut workers = bundle.start_all();
    for (device, worker) in workers.iter_mut().enumerate() {
        worker.kill();
        let answers = bundle.assert_answers(&[]);
        assert!(answers.iter().all(|a| a["plan"] == "main" && a["attempts"] == 1), "{device}");
        *worker = bundle.start(device, &[]);
    }
}
