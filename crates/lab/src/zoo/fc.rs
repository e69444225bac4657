//! Fully-connected layers and nothing else.

use super::net::Net;

/// A fully-connected layer of so many inputs and outputs, and nothing else.
pub fn fc(inputs: usize, outputs: usize) -> Net {
    let mut net = Net::new("fc");
    let x = net.input("x", &[1, inputs]);
    let y = net.gemm("fc", &x, outputs);
    net.output(&y);
    net
}

/// Fully-connected layers one after the other, between these numbers of
/// values, each but the last with its ReLU.
pub fn fc_chain(widths: &[usize]) -> Net {
    let mut net = Net::new("fc-chain");
    let mut x = net.input("x", &[1, widths.first().copied().unwrap_or(1)]);
    for (index, width) in widths.iter().enumerate().skip(1) {
        x = net.gemm(&format!("fc{index}"), &x, *width);
        if index + 1 < widths.len() {
            x = net.relu(&x);
        }
    }
    net.output(&x);
    net
}
