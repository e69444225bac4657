//! README's commands, run as they stand there.

mod support;

use std::path::Path;
use std::process::Command;

use support::{PROGRAM, Worker, repository, words};

/// Lines of README's shell blocks that begin with `start`, in order.
fn commands(start: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository("README.md")).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines = blocks.flat_map(str::lines).filter(|line| line.starts_with(start));
    lines.map(|line| line.split(" #").next().unwrap().trim().to_owned()).collect()
}

#[test]
fn two_commands_stand_at_the_top() {
    assert_eq!(commands("cargo"), ["cargo run --release -- demo", "cargo test --workspace"]);
    let ci = std::fs::read_to_string(repository(".ci/run")).unwrap();
    assert!(ci.contains("cargo test --workspace"), "CI runs another test command");
}

#[test]
fn a_cluster_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let assets = std::fs::canonicalize(repository("assets")).unwrap();
    std::os::unix::fs::symlink(assets, folder.path().join("assets")).unwrap();
    let mut workers = Vec::new();
    let (mut ran, mut said) = (Vec::new(), String::new());
    for line in commands("quorate") {
        let args: Vec<&str> = line.split_whitespace().skip(1).collect();
        ran.push(args[0].to_owned());
        if args[0] == "worker" {
            workers.push(start_in(folder.path(), &args));
            continue;
        }
        let output = Command::new(PROGRAM).args(&args).current_dir(folder.path()).output().unwrap();
        said = words(&output);
        assert!(output.status.success(), "{line}: {said}");
    }
    ran.dedup();
    assert_eq!(ran, ["inspect", "check", "plan", "pack", "worker", "run"]);
    for answer in ["input 0: 7", "input 1: 2", "input 2: 1"] {
        assert!(said.contains(answer), "{said}");
    }
}

fn start_in(folder: &Path, args: &[&str]) -> Worker {
    let at = args.iter().position(|arg| *arg == "--bundle").unwrap() + 1;
    let bundle = folder.join(args[at]);
    let mut args = args.to_vec();
    args[at] = bundle.to_str().unwrap();
    Worker::start(&args)
}
