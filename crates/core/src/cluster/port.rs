//! How messages share a link: arithmetic for whoever lets time pass by a
//! [`Network`].
//!
//! ```text
//! sender's port --> (shared medium) --> latency --> receiver's port
//! ```
//!
//! Bytes flow through while they come, so that a message alone pays for its
//! bytes once. Messages of one port go one after the other, each whole; only
//! small ones that carry no shard go in between, as packets of many connections
//! do.

use std::time::Duration;

use super::network::Network;

/// Times in nanoseconds of any clock.
pub type Nanos = u64;

/// From when to when a message takes a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub start: Nanos,
    /// Its last.
    pub end: Nanos,
}

/// What one message at a time can use: one direction of a device's link, or a
/// shared medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Port {
    free: Nanos,
}

impl Port {
    /// Takes the port for `cost`, from `ready` on at the earliest, after what
    /// took it before.
    pub fn take(&mut self, ready: Nanos, cost: Duration) -> Span {
        let start = ready.max(self.free);
        let end = start.saturating_add(nanos(cost));
        self.free = end;
        Span { start, end }
    }

    /// Takes the port for `cost` at `ready`, whatever takes it then: that goes on
    /// later.
    pub fn cut_in(&mut self, ready: Nanos, cost: Duration) -> Span {
        let cost = nanos(cost);
        self.free = ready.max(self.free).saturating_add(cost);
        Span { start: ready, end: ready.saturating_add(cost) }
    }

    /// Until when it was taken so far, at `now`.
    pub fn busy_until(&self, now: Nanos) -> Nanos {
        self.free.min(now)
    }

    /// Takes the port, a receiver's, for what has `left`; when all of it is
    /// there.
    pub fn receive(&mut self, left: Span, latency: Duration, cost: Duration) -> Nanos {
        let latency = nanos(latency);
        let taken = self.take(left.start.saturating_add(latency), cost);
        taken.end.max(left.end.saturating_add(latency))
    }

    /// The same for a message that cuts in.
    pub fn receive_first(&mut self, left: Span, latency: Duration, cost: Duration) -> Nanos {
        let latency = nanos(latency);
        let taken = self.cut_in(left.start.saturating_add(latency), cost);
        taken.end.max(left.end.saturating_add(latency))
    }
}

impl Network {
    /// How long a message takes its sender's port, and its receiver's: what a
    /// message costs that device, and its bytes where the link is its own.
    pub fn port_time(&self, message_cost: Duration, bytes: u64) -> Duration {
        if self.shared { message_cost } else { message_cost + self.time(bytes) }
    }

    /// How long a message takes the medium, where it is shared.
    pub fn medium_time(&self, bytes: u64) -> Option<Duration> {
        self.shared.then(|| self.time(bytes))
    }
}

impl Span {
    /// A message that takes both its sender's port and the medium.
    pub fn over(self, medium: Span) -> Span {
        Span { start: self.start.max(medium.start), end: self.end.max(medium.end) }
    }
}

fn nanos(time: Duration) -> Nanos {
    Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAN: &str = include_str!("../../../../profiles/networks/lan-94.toml");
    const WIFI: &str = include_str!("../../../../profiles/networks/wifi-94.toml");
    const COST: Duration = Duration::from_micros(300);
    /// 1 ms at 94.1 Mbit/s.
    const BYTES: u64 = 11_762;

    /// Sends messages, all ready at zero, between nodes; when each is there.
    fn arrivals(network: &str, messages: &[(usize, usize, u64)]) -> Vec<f64> {
        let network = Network::parse(network).unwrap();
        let (mut out, mut into) = ([Port::default(); 8], [Port::default(); 8]);
        let mut medium = Port::default();
        let arrival = |&(from, to, bytes): &(usize, usize, u64)| {
            let cost = network.port_time(COST, bytes);
            let mut left = out[from].take(0, cost);
            if let Some(time) = network.medium_time(bytes) {
                left = left.over(medium.take(left.start, time));
            }
            into[to].receive(left, network.latency, cost) as f64 * 1e-6
        };
        messages.iter().map(arrival).collect()
    }

    #[test]
    fn a_message_that_cuts_in_holds_up_the_others() {
        let ns = Duration::from_nanos;
        let mut port = Port::default();
        assert_eq!(port.take(0, ns(1000)), Span { start: 0, end: 1000 });
        assert_eq!(port.cut_in(300, ns(10)), Span { start: 300, end: 310 });
        assert_eq!(port.busy_until(400), 400);
        assert_eq!(port.take(500, ns(100)), Span { start: 1010, end: 1110 });
        assert_eq!(port.busy_until(2000), 1110);
        let left = Span { start: 2000, end: 2010 };
        assert_eq!(port.receive_first(left, ns(5), ns(10)), 2015);
    }

    #[test]
    fn messages_share_ports_and_media() {
        let out = |n: usize| (1..=n).map(|to| (0, to, BYTES)).collect::<Vec<_>>();
        let into = |n: usize| (1..=n).map(|from| (from, 0, BYTES)).collect::<Vec<_>>();
        type Case = (&'static str, Vec<(usize, usize, u64)>, Vec<f64>);
        let cases: [Case; 8] = [
            // Latency, cost of a message, bytes.
            (LAN, vec![(0, 1, 0)], vec![0.6]),
            (LAN, vec![(0, 1, BYTES)], vec![1.6]),
            (LAN, out(3), vec![1.6, 2.9, 4.2]),
            (LAN, into(3), vec![1.6, 2.9, 4.2]),
            // Pairs do not disturb each other behind a switch.
            (LAN, vec![(0, 1, BYTES), (2, 3, BYTES)], vec![1.6, 1.6]),
            (WIFI, vec![(0, 1, 0)], vec![0.6]),
            (WIFI, vec![(0, 1, BYTES), (2, 3, BYTES)], vec![1.3, 2.3]),
            (WIFI, into(3), vec![1.3, 2.3, 3.3]),
        ];
        for (network, messages, expected) in cases {
            let got = arrivals(network, &messages);
            let near = got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3);
            assert!(near && got.len() == expected.len(), "{messages:?}: {got:?}, not {expected:?}");
        }
    }
}
