//! Bundles and workers for tests: real processes on loopback.

#![allow(dead_code, unreachable_pub)] // Each test binary uses its own part of this.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use quorate::net::free_addresses;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A worker that says nothing for so long is taken to be stuck.
const PATIENCE_S: i64 = 60;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_quorate");

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// LeNet-5.
pub fn lenet() -> PathBuf {
    repository("assets/lenet5.onnx")
}

/// MNIST's test digits.
pub fn digits() -> PathBuf {
    repository("assets/mnist-t10k-images-idx3-ubyte.gz")
}

/// A model or data file that is not shipped, whether it is there or not.
pub fn shared(name: &str) -> PathBuf {
    repository("../shared/data").join(name)
}

/// Every stage, every tolerated loss, and readers that decode apart.
pub fn assert_whole(model: &Path) {
    for (devices, spares) in [("4", "1"), ("3", "0"), ("1", "1")] {
        let model = model.to_str().unwrap();
        let divided = ["--devices", devices, "--spares", spares];
        let args = [&["check", model], &divided[..], &["--inconsistent", "--json"]].concat();
        let output = quorate(&args);
        assert_eq!(output.status.code(), Some(0), "{}", words(&output));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["ok"], true);
        assert!(report["worst_error"].as_f64() < Some(1e-4), "{report}");
    }
}

/// Runs the program to its end.
pub fn quorate(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().expect("the program starts")
}

/// What a run printed, both streams.
pub fn words(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr];
    both.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// A packed bundle of LeNet-5 in a folder of its own.
pub struct Bundle {
    pub folder: tempfile::TempDir,
    pub hosts: Vec<String>,
    pub names: Vec<String>,
}

impl Bundle {
    /// Plans and packs.
    pub fn new(devices: usize, spares: usize) -> Bundle {
        Bundle::with(devices, spares, &[])
    }

    /// The same with more arguments for `plan`.
    pub fn with(devices: usize, spares: usize, more: &[&str]) -> Bundle {
        let folder = tempfile::tempdir().unwrap();
        let hosts = free_addresses(devices + spares).unwrap();
        let names = (1..=devices + spares).map(|i| format!("pi-{i}")).collect();
        let bundle = Bundle { folder, hosts, names };
        let (plan, packed) = (bundle.path("plan.toml"), bundle.path("bundle"));
        let (devices, spares) = (devices.to_string(), spares.to_string());
        let (lenet, hosts) = (lenet(), bundle.hosts.join(","));
        let mut args = vec![
            "plan",
            lenet.to_str().unwrap(),
            "--devices",
            &devices,
            "--spares",
            &spares,
            "--hosts",
            &hosts,
            "-o",
            &plan,
        ];
        args.extend(more);
        let planned = quorate(&args);
        assert!(planned.status.success(), "{}", words(&planned));
        let made = quorate(&["pack", lenet.to_str().unwrap(), &plan, "-o", &packed]);
        assert!(made.status.success(), "{}", words(&made));
        bundle
    }

    /// Packs again with `from` in the plan replaced by `to`.
    pub fn repack(&self, from: &str, to: &str) {
        let plan = self.path("plan.toml");
        let text = std::fs::read_to_string(&plan).unwrap();
        assert!(text.contains(from), "{from} is not in\n{text}");
        std::fs::write(&plan, text.replacen(from, to, 1)).unwrap();
        let packed = self.path("bundle");
        let made = quorate(&["pack", lenet().to_str().unwrap(), &plan, "-o", &packed]);
        assert!(made.status.success(), "{}", words(&made));
    }

    /// A path below the bundle's temporary folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Starts the worker of every device.
    pub fn start_all(&self) -> Vec<Worker> {
        (0..self.names.len()).map(|device| self.start(device, &[])).collect()
    }

    /// Starts one device's worker.
    pub fn start(&self, device: usize, more: &[&str]) -> Worker {
        let name = &self.names[device];
        let folder = self.path(&format!("bundle/{name}"));
        let mut args = vec!["worker", "--name", name, "--bundle", &folder, "--end-with-parent"];
        args.extend(more);
        Worker::start(&args)
    }

    /// Asks for the first `limit` digits; one JSON object each.
    pub fn ask(&self, limit: usize, more: &[&str]) -> Vec<serde_json::Value> {
        let (bundle, digits, limit) = (self.path("bundle"), digits(), limit.to_string());
        let mut args =
            vec!["run", &bundle, "--input", digits.to_str().unwrap(), "--limit", &limit, "--json"];
        args.extend(more);
        let output = quorate(&args);
        assert!(output.status.success(), "{}", words(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The first digits of MNIST's test set are 7 2 1 0 4 1 4 9.
    pub fn assert_answers(&self, more: &[&str]) -> Vec<serde_json::Value> {
        let answers = self.ask(8, more);
        let classes: Vec<u64> =
            answers.iter().map(|a| a["top"][0]["index"].as_u64().expect("an answer")).collect();
        assert_eq!(classes, [7, 2, 1, 0, 4, 1, 4, 9]);
        answers
    }
}

/// A worker process, which ends with this value.
pub struct Worker {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Worker {
    /// Starts a worker and waits until it listens.
    pub fn start(args: &[&str]) -> Worker {
        let mut command = Command::new(PROGRAM);
        command.args(args);
        Worker::spawn(command)
    }

    /// The same by a command of the caller's.
    pub fn spawn(mut command: Command) -> Worker {
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut worker = Worker { child, stderr };
        worker.await_line("listens on");
        worker
    }

    /// Reads its log up to a line that holds `words`.
    pub fn await_line(&mut self, words: &str) -> String {
        let mut seen = String::new();
        loop {
            let from = seen.len();
            if self.stderr.buffer().is_empty() {
                let mut ready = [PollFd::new(self.stderr.get_ref(), PollFlags::IN)];
                let limit = Timespec { tv_sec: PATIENCE_S, tv_nsec: 0 };
                let events = poll(&mut ready, Some(&limit)).unwrap();
                assert!(events > 0, "the worker has not said {words:?} so far:\n{seen}");
            }
            let read = self.stderr.read_line(&mut seen).unwrap();
            assert!(read > 0, "the worker ended without saying {words:?}:\n{seen}");
            if seen[from..].contains(words) {
                return seen[from..].to_owned();
            }
        }
    }

    /// Its process id.
    pub fn id(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_raw(self.child.id() as i32).unwrap()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.id(), signal).unwrap();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its exit status, once it ends.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
