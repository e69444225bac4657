//! Logs refused frames without flooding the log.

use std::collections::HashMap;
use std::mem::Discriminant;
use std::time::{Duration, Instant};

use quorate_core::admit::Refusal;

/// Least time between two lines about one peer and one kind of refusal.
const EVERY: Duration = Duration::from_secs(10);
/// Peers and kinds remembered.
const PEERS_MAX: usize = 256;

/// Refused frames by peer and kind: when they were last told of, and how many
/// since.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    peers: HashMap<(String, Discriminant<Refusal>), (Instant, u64)>,
}

impl Refusals {
    /// Logs a refusal, or counts it where one like it was logged just before.
    pub(super) fn tell(&mut self, peer: &str, refusal: &Refusal) {
        if self.peers.len() >= PEERS_MAX {
            self.peers.clear();
        }
        let key = (peer.to_owned(), std::mem::discriminant(refusal));
        let known = self.peers.get_mut(&key);
        match known {
            Some((told, untold)) if told.elapsed() < EVERY => *untold += 1,
            _ => {
                let untold = known.map_or(0, |(_, untold)| *untold);
                let more =
                    if untold > 0 { format!(" ({untold} more before)") } else { String::new() };
                tracing::warn!("frame from {peer} refused: {refusal}{more}");
                self.peers.insert(key, (Instant::now(), 0));
            }
        }
    }
}
