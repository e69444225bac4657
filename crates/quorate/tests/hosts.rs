//! Workers on hosts of their own, joined by a switch: network namespaces.
//! Needs root and `ip`; is listed as ignored where there are none.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Trial};
use support::{PROGRAM, Worker, digits, lenet, quorate, words};

/// Hosts 1.. with address 10.77.0.n, and the switch that joins them. All are
/// taken away with this value.
struct Network {
    tag: u32,
    hosts: usize,
}

impl Network {
    fn new(hosts: usize) -> Result<Network, String> {
        let network = Network { tag: std::process::id() % 10_000, hosts };
        let switch = network.switch();
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link add name bridge type bridge"))?;
        ip(&format!("-n {switch} link set bridge up"))?;
        for host in 1..=hosts {
            let name = network.host(host);
            ip(&format!("netns add {name}"))?;
            ip(&format!(
                "link add port{host} netns {switch} type veth peer name eth0 netns {name}"
            ))?;
            ip(&format!("-n {switch} link set port{host} master bridge up"))?;
            ip(&format!("-n {name} address add 10.77.0.{host}/24 dev eth0"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
        }
        Ok(network)
    }

    fn switch(&self) -> String {
        format!("q{}-switch", self.tag)
    }

    fn host(&self, host: usize) -> String {
        format!("q{}-{host}", self.tag)
    }

    /// Pulls a host's cable: nothing arrives, and nobody is told.
    fn cut(&self, host: usize) {
        ip(&format!("-n {} link set port{host} down", self.switch())).unwrap();
    }

    fn on(&self, host: usize, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.host(host), PROGRAM]).args(args);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let hosts = (1..=self.hosts).map(|host| self.host(host));
        for name in hosts.chain([self.switch()]) {
            // One that was never made cannot be taken away.
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

fn ip(args: &str) -> Result<(), String> {
    let output = Command::new("ip").args(args.split_whitespace()).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(format!("ip {args}: {said}")) }
}

fn a_pulled_cable_costs_nothing() {
    // Hosts 1 to 3 work, host 4 asks.
    let network = Network::new(4).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (plan, bundle) = (path("plan.toml"), path("bundle"));
    let hosts: Vec<String> = (1..=3).map(|host| format!("10.77.0.{host}:7001")).collect();
    let (model, hosts) = (lenet(), hosts.join(","));
    let model = model.to_str().unwrap();
    let planned = quorate(&["plan", model, "--devices", "2", "--hosts", &hosts, "-o", &plan]);
    assert!(planned.status.success(), "{}", words(&planned));
    let packed = quorate(&["pack", model, &plan, "-o", &bundle]);
    assert!(packed.status.success(), "{}", words(&packed));
    let _workers: Vec<Worker> = (1..=3)
        .map(|host| {
            let (name, own) = (format!("pi-{host}"), format!("{bundle}/pi-{host}"));
            let args = ["worker", "--name", &name, "--bundle", &own, "--end-with-parent"];
            Worker::spawn(network.on(host, &args))
        })
        .collect();
    let digits = digits();
    let args = ["run", &bundle, "--input", digits.to_str().unwrap(), "--limit", "300", "--json"];
    let mut asking = network.on(4, &args).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(asking.stdout.take().unwrap()).lines();
    let mut answers = 0;
    for (number, line) in lines.enumerate() {
        let answer: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!((&answer["plan"], &answer["attempts"]), (&"main".into(), &1.into()), "{answer}");
        answers += 1;
        if number == 50 {
            network.cut(2);
        }
    }
    assert_eq!(answers, 300);
    assert!(asking.wait().unwrap().success());
}

fn main() -> ExitCode {
    let test = || {
        a_pulled_cable_costs_nothing();
        Ok(())
    };
    let missing = Network::new(1).is_err();
    let test = Trial::test("a_pulled_cable_costs_nothing", test);
    let tests = vec![test.with_kind("network namespaces").with_ignored_flag(missing)];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}
