//! Workers as processes of this machine.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use quorate_core::id::DeviceId;
use quorate_core::plan::Plans;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// Bytes of a worker's log shown when it fails.
const LAST_WORDS_BYTES: usize = 2_000;

/// The workers of one plan. They end when this is dropped, and also when this
/// process is killed.
pub struct Workers {
    program: PathBuf,
    names: Vec<String>,
    bundle: PathBuf,
    logs: PathBuf,
    arguments: Vec<Vec<String>>,
    children: Vec<Option<Child>>,
}

impl Workers {
    /// Starts a worker for every device of `plans` by the program `quorate`,
    /// with its folder of `bundle`, its log in the folder `logs`, and with
    /// further arguments where there are any for its place.
    pub fn start(
        program: &Path,
        plans: &Plans,
        bundle: &Path,
        logs: &Path,
        arguments: Vec<Vec<String>>,
    ) -> anyhow::Result<Workers> {
        let names = plans.cluster().names();
        let children = names.iter().map(|_| None).collect();
        let (program, bundle) = (program.to_owned(), bundle.to_owned());
        let logs = logs.to_owned();
        let mut workers = Workers { program, names, bundle, logs, arguments, children };
        for device in plans.everybody().iter() {
            workers.launch(device)?;
        }
        Ok(workers)
    }

    /// Starts a device's worker.
    pub fn launch(&mut self, device: DeviceId) -> anyhow::Result<()> {
        let name = &self.names[device.index()];
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log(name))?;
        let further = self.arguments.get(device.index()).map_or(&[][..], Vec::as_slice);
        let child = Command::new(&self.program)
            .args(["worker", "--end-with-parent", "--name", name, "--bundle"])
            .arg(self.bundle.join(name))
            .args(further)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        self.children[device.index()] = Some(child);
        Ok(())
    }

    /// Ends a worker with SIGKILL, without waiting until it is gone.
    pub fn kill(&mut self, device: DeviceId) -> anyhow::Result<()> {
        let name = &self.names[device.index()];
        let child = self.children[device.index()].as_mut();
        let child = child.with_context(|| format!("{name} is not running"))?;
        child.start_kill().with_context(|| format!("killing {name}"))
    }

    /// Stops a worker where it stands with SIGSTOP.
    pub fn freeze(&self, device: DeviceId) -> anyhow::Result<()> {
        self.signal(device, Signal::STOP)
    }

    /// Lets a stopped worker go on.
    pub fn thaw(&self, device: DeviceId) -> anyhow::Result<()> {
        self.signal(device, Signal::CONT)
    }

    fn signal(&self, device: DeviceId, signal: Signal) -> anyhow::Result<()> {
        let name = &self.names[device.index()];
        let id = self.children[device.index()].as_ref().and_then(Child::id);
        let pid = id.and_then(|id| Pid::from_raw(id as i32));
        let pid = pid.with_context(|| format!("{name} is not running"))?;
        kill_process(pid, signal).with_context(|| format!("sending {signal:?} to {name}"))
    }

    /// Ends every worker.
    pub async fn end(mut self) {
        for child in self.children.iter_mut().filter_map(Option::as_mut) {
            // One that has ended by itself is as good.
            let _ = child.kill().await;
        }
    }

    /// The ends of the workers' logs.
    pub fn last_words(&self) -> String {
        let words = self.names.iter().map(|name| self.last_words_of(name));
        words.fold(String::from("workers did not come up"), |all, words| all + "\n" + &words)
    }

    /// The end of the log of the worker `name`.
    pub fn last_words_of(&self, name: &str) -> String {
        let log = std::fs::read(self.log(name)).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(LAST_WORDS_BYTES)..];
        format!("{name}: {}", String::from_utf8_lossy(tail).trim_end())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }
}
