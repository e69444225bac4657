//! C3D: convolutions over frames and both directions of the picture.

use super::Size;
use super::classifier::{classifier, conv_relu};
use super::net::{Net, Slide};

/// Sixteen frames of 112x112 to the 101 classes of UCF101.
pub(super) fn c3d(size: Size) -> Net {
    let (side, divisor, hidden, classes) = match size {
        Size::Full => (112, 1, 4096, 101),
        Size::Small => (32, 8, 256, 20),
    };
    let mut net = Net::new("c3d");
    let mut x = net.input("clip", &[1, 3, 16, side, side]);
    let halves = Slide::new(3, 2, 2, 0);
    // The first pooling keeps time, the last one pads 7x7 to 8x8.
    let first =
        Slide { kernel: vec![1, 2, 2], stride: vec![1, 2, 2], pad: vec![0, 0, 0], groups: 1 };
    let last = Slide { pad: vec![0, 1, 1], ..halves.clone() };
    let blocks = [
        (64, &["conv1a"][..], &first),
        (128, &["conv2a"], &halves),
        (256, &["conv3a", "conv3b"], &halves),
        (512, &["conv4a", "conv4b"], &halves),
        (512, &["conv5a", "conv5b"], &last),
    ];
    for (rows, names, pool) in blocks {
        for name in names {
            x = conv_relu(&mut net, name, &x, rows / divisor, &Slide::new(3, 3, 1, 1));
        }
        x = net.max_pool(&x, pool);
    }
    let y = classifier(&mut net, &x, hidden, classes);
    net.output(&y);
    net
}
