//! Addresses for workers that all run on this machine.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::bail;

/// First port tried. Ports that connections are given as their own begin at
/// 32768: a worker's must lie below, or a dialler could meet itself there.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 12_000;
/// Ports between where two processes, or two calls, begin to look.
const STRIDE: u32 = 97;

/// `count` addresses on loopback that nobody listens on.
pub fn free_addresses(count: usize) -> anyhow::Result<Vec<String>> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let start = std::process::id().wrapping_add(call).wrapping_mul(STRIDE) % u32::from(PORTS);
    let mut held = Vec::new();
    for step in 0..PORTS {
        if held.len() == count {
            break;
        }
        let port = FIRST_PORT + (start as u16 + step) % PORTS;
        // Held until all are found, so that none is found twice.
        held.extend(TcpListener::bind(("127.0.0.1", port)));
    }
    if held.len() < count {
        bail!("{} free ports from {FIRST_PORT}, needs {count}", held.len());
    }
    held.iter().map(|listener| Ok(listener.local_addr()?.to_string())).collect()
}
