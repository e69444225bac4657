//! Action recognition at very low resolution from single frames: the stream of
//! [`super::two_stream`] that sees a frame, alone (after Ryoo, Kim and Yang
//! 2018, who leave the layers' sizes open).

use super::Size;
use super::net::Net;
use super::two_stream::{stream, widths};

/// A frame of 16x12 pixels to the 51 classes of HMDB51.
pub(super) fn low_res(size: Size) -> Net {
    let (divisor, hidden) = widths(size);
    let mut net = Net::new("low-res");
    let x = net.input("frame", &[1, 3, 12, 16]);
    let x = stream(&mut net, x, divisor, hidden);
    let x = net.gemm("fc7", &x, hidden);
    let x = net.relu(&x);
    let y = net.gemm("fc8", &x, 51);
    net.output(&y);
    net
}
