//! A multilayer perceptron.

use super::Size;
use super::net::Net;

/// Fully connected layers over an MNIST digit.
pub(super) fn mlp(size: Size) -> Net {
    let hidden = match size {
        Size::Full => 2048,
        Size::Small => 256,
    };
    let mut net = Net::new("mlp");
    let mut x = net.input("pixels", &[1, 784]);
    for name in ["fc1", "fc2"] {
        x = net.gemm(name, &x, hidden);
        x = net.relu(&x);
    }
    let y = net.gemm("fc3", &x, 10);
    net.output(&y);
    net
}
