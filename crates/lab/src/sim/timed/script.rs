//! What is asked of simulated devices, and what befalls them.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::ensure;
use quorate_core::audit::Verify;
use quorate_core::cluster::Nanos;
use quorate_core::gateway::GatewayConfig;

use crate::sim::course::{Change, Course, Requests, Until};
use crate::sim::fault::Fault;

/// What is asked of simulated devices, and what befalls them.
#[derive(Clone, Debug)]
pub struct Script {
    /// When requests come in.
    pub requests: Requests,
    /// When what goes wrong or right.
    pub faults: Vec<(Duration, Fault)>,
    /// Time that each request has.
    pub deadline: Duration,
    /// How long after the last answer the simulation goes on, for shards that
    /// come late.
    pub linger: Duration,
    /// The gateway's habits.
    pub gateway: GatewayConfig,
    /// The largest error of an answer that is right, where shards are computed.
    pub error_max: f64,
}

impl Script {
    /// These requests, and nothing goes wrong.
    pub fn new(requests: Requests) -> Script {
        Script {
            requests,
            faults: Vec::new(),
            deadline: Duration::from_secs(120),
            linger: Duration::ZERO,
            gateway: GatewayConfig::default(),
            error_max: 1e-4,
        }
    }

    /// So many requests, each as soon as the one before is answered.
    pub fn one_by_one(count: usize) -> Script {
        Script::new(Requests::OneByOne { count, pause: Duration::ZERO })
    }

    /// The same with these faults.
    pub fn with(mut self, faults: impl IntoIterator<Item = (Duration, Fault)>) -> Script {
        self.faults.extend(faults);
        self
    }

    /// The same for a simulation of so many devices, beginning at `begin`.
    pub(super) fn course(
        &self,
        begin: Duration,
        devices: usize,
    ) -> anyhow::Result<Course<Infallible>> {
        for (at, fault) in &self.faults {
            check(*fault, devices)?;
            ensure!(nanos(*at) < Nanos::MAX / 4, "{fault:?} happens at {at:?}: in centuries");
        }
        let change = |(at, fault): &(Duration, Fault)| (nanos(*at), Change::Fault(*fault));
        let mut changes: Vec<_> = self.faults.iter().map(change).collect();
        changes.sort_by_key(|(at, _)| *at);
        Ok(Course {
            requests: self.requests.clone(),
            begin: nanos(begin),
            deadline: self.deadline,
            cancels: Vec::new(),
            changes,
            gateways: 1,
            gateway: self.gateway.clone(),
            memory: None,
            versions: Vec::new(),
            verify: Verify::Off,
            until: Until::After(self.linger),
            error_max: self.error_max,
        })
    }
}

fn nanos(time: Duration) -> Nanos {
    Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX)
}

/// Can this befall one of so many devices?
fn check(fault: Fault, devices: usize) -> anyhow::Result<()> {
    let (node, limit) = match fault {
        Fault::Err(device) | Fault::Break(device) | Fault::Hang(device) | Fault::Heal(device) => {
            (device, devices)
        }
        Fault::Stray(device) => (device, devices),
        Fault::Crash { device, .. } | Fault::Restart(device) | Fault::Freeze(device) => {
            (device, devices)
        }
        Fault::Thaw(device) => (device, devices),
        Fault::Slow(device, times) => {
            let right = times.is_finite() && times > 0.0;
            ensure!(right, "{fault:?}: {times} times as long, must be positive");
            (device, devices)
        }
        Fault::Cut(a, b) | Fault::Mend(a, b) | Fault::Deafen { from: a, to: b } => {
            (a.max(b), devices + 1)
        }
        Fault::FreezeGateway(gateway)
        | Fault::ThawGateway(gateway)
        | Fault::CrashGateway(gateway)
        | Fault::RestartGateway(gateway) => (devices + gateway, devices + 1),
        Fault::Install { version, .. } => anyhow::bail!("{fault:?}: there is no version {version}"),
    };
    ensure!(node < limit, "{fault:?}: node {node}, there are {limit}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_nobody_are_refused() {
        let says = |fault| {
            let script = Script::one_by_one(1).with([(Duration::ZERO, fault)]);
            script
                .course(Duration::ZERO, 2)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        assert!(says(Fault::Freeze(2)).contains("node 2, there are 2"));
        assert!(says(Fault::Cut(0, 3)).contains("node 3, there are 3"));
        assert!(says(Fault::Slow(0, 0.0)).contains("must be positive"));
        assert!(says(Fault::Slow(0, f64::NAN)).contains("must be positive"));
        assert_eq!(says(Fault::Cut(1, 2)), "");
    }
}
