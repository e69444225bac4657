//! What the older convolutional networks have in common.

use super::net::{Net, Slide, Value};

/// The three fully connected layers behind `x`.
pub(super) fn classifier(net: &mut Net, x: &Value, hidden: usize, classes: usize) -> Value {
    let flat = net.flatten(x);
    let fc6 = net.gemm("fc6", &flat, hidden);
    let fc6 = net.relu(&fc6);
    let fc7 = net.gemm("fc7", &fc6, hidden);
    let fc7 = net.relu(&fc7);
    net.gemm("fc8", &fc7, classes)
}

/// A convolution and its ReLU.
pub(super) fn conv_relu(
    net: &mut Net,
    name: &str,
    x: &Value,
    rows: usize,
    window: &Slide,
) -> Value {
    let made = net.conv(name, x, rows, window);
    net.relu(&made)
}
