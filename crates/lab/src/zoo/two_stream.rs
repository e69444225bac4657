//! The two-stream network for action recognition at very low resolution.
//!
//! One stream sees a frame of 16x12 pixels, the other the optical flow of ten
//! frames, two planes each (Hadidi, Cao, Ryoo and Kim 2018; Ryoo, Kim and Yang
//! 2018). Their papers leave the layers' sizes open. Chosen here, for the 51
//! classes of HMDB51, each stream being AlexNet's five convolutions with
//! windows small enough for so few pixels:
//!
//! ```text
//! frame [3, 12, 16]   conv 64 - pool - conv 192 - pool - conv 384 - conv 256 - conv 256 - fc 4096 \
//!                                                                                                 fc 4096 - fc 51
//! flow [20, 12, 16]   conv 64 - pool - conv 192 - pool - conv 384 - conv 256 - conv 256 - fc 4096 /
//! ```
//!
//! All windows are 3x3, poolings 2x2. Both come in one input [1, 23, 12, 16],
//! the frame's planes first.

use super::Size;
use super::net::{Net, Slide, Value};

/// Planes of a frame and of the flow.
const PLANES: [(&str, usize); 2] = [("frame", 3), ("flow", 20)];

/// One stream: five convolutions and a fully connected layer over `x`.
pub(super) fn stream(net: &mut Net, x: Value, divisor: usize, hidden: usize) -> Value {
    let name = x.name.clone();
    let mut x = x;
    for (index, rows) in [64, 192, 384, 256, 256].into_iter().enumerate() {
        let conv = format!("{name}.conv{}", index + 1);
        x = net.conv(&conv, &x, rows / divisor, &Slide::new(2, 3, 1, 1));
        x = net.relu(&x);
        if index < 2 {
            x = net.max_pool(&x, &Slide::new(2, 2, 2, 0));
        }
    }
    let x = net.flatten(&x);
    let x = net.gemm(&format!("{name}.fc6"), &x, hidden);
    net.relu(&x)
}

/// By what the convolutions' filters are divided, and the length of the fully
/// connected layers.
pub(super) fn widths(size: Size) -> (usize, usize) {
    match size {
        Size::Full => (1, 4096),
        Size::Small => (8, 256),
    }
}

/// Both streams and the layers that join them.
pub(super) fn two_stream(size: Size) -> Net {
    let (divisor, hidden) = widths(size);
    let mut net = Net::new("two-stream");
    let planes = PLANES.iter().map(|p| p.1).sum();
    let x = net.input("planes", &[1, planes, 12, 16]);
    let halves = net.split(&x, 1, &PLANES);
    let ends: Vec<Value> =
        halves.into_iter().map(|x| stream(&mut net, x, divisor, hidden)).collect();
    let x = net.concat("join", &ends.iter().collect::<Vec<_>>(), 1);
    let x = net.gemm("fc7", &x, hidden);
    let x = net.relu(&x);
    let y = net.gemm("fc8", &x, 51);
    net.output(&y);
    net
}
