//! One fully-connected layer.

use super::net::Net;

/// A fully-connected layer of so many inputs and outputs, and nothing else.
pub fn fc(inputs: usize, outputs: usize) -> Net {
    let mut net = Net::new("fc");
    let x = net.input("x", &[1, inputs]);
    let y = net.gemm("fc", &x, outputs);
    net.output(&y);
    net
}
