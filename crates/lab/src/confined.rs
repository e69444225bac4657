//! Slow devices on a slow network by the operating system's own means: network
//! namespaces joined by links of a limited rate, and a share of a core for each
//! process. What emulated devices are held against.
//!
//! Needs Linux, root, `ip`, `tc`, `taskset`, and the cgroup controller `cpu` of version 1;
//! all is taken away again when it is dropped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// Where the controller is.
const CPU: &str = "/sys/fs/cgroup/cpu";
/// Period in which a process has its share, in microseconds.
const PERIOD_US: u64 = 5_000;
/// Bytes that a link may send at once.
const BURST: &str = "10kb";

/// Hosts with addresses 10.78.0.1, 10.78.0.2 and on, behind a switch.
#[derive(Debug)]
pub struct Confined {
    tag: u32,
    hosts: usize,
    group: PathBuf,
}

impl Confined {
    /// So many hosts, each with links of `rate` both ways in `tc`'s words, and
    /// processes that have `share` of a core.
    pub fn new(hosts: usize, rate: &str, share: f64) -> anyhow::Result<Confined> {
        let tag = std::process::id() % 10_000;
        let group = Path::new(CPU).join(format!("quorate-{tag}"));
        let confined = Confined { tag, hosts, group };
        confined.limit(share)?;
        let switch = confined.switch();
        run("ip", &format!("netns add {switch}"))?;
        run("ip", &format!("-n {switch} link add name bridge type bridge"))?;
        run("ip", &format!("-n {switch} link set bridge up"))?;
        let shape = format!("root tbf rate {rate} burst {BURST} latency 2s");
        for host in 0..hosts {
            let (name, port, last) = (confined.host(host), format!("port{host}"), host + 1);
            run("ip", &format!("netns add {name}"))?;
            run(
                "ip",
                &format!("link add {port} netns {switch} type veth peer name eth0 netns {name}"),
            )?;
            run("ip", &format!("-n {switch} link set {port} master bridge up"))?;
            run("ip", &format!("-n {name} address add 10.78.0.{last}/24 dev eth0"))?;
            run("ip", &format!("-n {name} link set eth0 up"))?;
            run("tc", &format!("-n {switch} qdisc add dev {port} {shape}"))?;
            run("tc", &format!("-n {name} qdisc add dev eth0 {shape}"))?;
        }
        Ok(confined)
    }

    /// A group for each host.
    fn limit(&self, share: f64) -> anyhow::Result<()> {
        ensure!(Path::new(CPU).join("cpu.shares").exists(), "no controller at {CPU}");
        for host in 0..self.hosts {
            let group = self.group_of(host);
            std::fs::create_dir_all(&group)
                .with_context(|| format!("making {}", group.display()))?;
            let quota_us = (PERIOD_US as f64 * share).round().max(1000.0);
            std::fs::write(group.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
            std::fs::write(group.join("cpu.cfs_quota_us"), quota_us.to_string())?;
        }
        Ok(())
    }

    fn switch(&self) -> String {
        format!("qc{}-switch", self.tag)
    }

    fn host(&self, host: usize) -> String {
        format!("qc{}-{host}", self.tag)
    }

    fn group_of(&self, host: usize) -> PathBuf {
        self.group.join(host.to_string())
    }

    /// An address of a host.
    pub fn address(&self, host: usize, port: u16) -> String {
        format!("10.78.0.{}:{port}", host + 1)
    }

    /// `program` on a host; a `slow` one has its share of a core only, always the
    /// same core: threads on several would each be given a part of the share, and
    /// one that only looks at its messages would keep its part from the one that
    /// computes.
    pub fn on(&self, host: usize, slow: bool, program: &Path) -> Command {
        let core = host % std::thread::available_parallelism().map_or(1, usize::from);
        let within = match slow {
            true => format!("taskset -c {core} ip netns exec {} ", self.host(host)),
            false => format!("ip netns exec {} ", self.host(host)),
        };
        let tasks = self.group_of(host).join("tasks");
        let enter = match slow {
            true => format!("echo $$ > {} && ", tasks.display()),
            false => String::new(),
        };
        let mut command = Command::new("sh");
        let script = format!("{enter}exec {within}\"$0\" \"$@\"");
        command.arg("-c").arg(script).arg(program).stdin(Stdio::null());
        command
    }

    /// Pulls a host's cable: nothing arrives, and nobody is told.
    pub fn cut(&self, host: usize) -> anyhow::Result<()> {
        run("ip", &format!("-n {} link set port{host} down", self.switch()))
    }

    /// Puts it back.
    pub fn mend(&self, host: usize) -> anyhow::Result<()> {
        run("ip", &format!("-n {} link set port{host} up", self.switch()))
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        let hosts = (0..self.hosts).map(|host| self.host(host));
        for name in hosts.chain([self.switch()]) {
            // One that was never made cannot be taken away.
            let _ = run("ip", &format!("netns delete {name}"));
        }
        // A group goes once its last process has.
        let until = Instant::now() + Duration::from_secs(2);
        for group in (0..self.hosts).map(|host| self.group_of(host)).chain([self.group.clone()]) {
            while std::fs::remove_dir(&group).is_err() && group.exists() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn run(program: &str, arguments: &str) -> anyhow::Result<()> {
    let output = Command::new(program).args(arguments.split_whitespace()).output();
    let output = output.with_context(|| format!("starting {program}"))?;
    if !output.status.success() {
        bail!("{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Processes that end with this value.
#[derive(Debug, Default)]
pub struct Processes(pub Vec<Child>);

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // One that has ended by itself is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
