//! VGG16.

use super::Size;
use super::classifier::{classifier, conv_relu};
use super::net::{Net, Slide};

/// VGG16, configuration D: thirteen 3x3 convolutions in five blocks.
pub(super) fn vgg16(size: Size) -> Net {
    let (side, divisor, hidden, classes) = match size {
        Size::Full => (224, 1, 4096, 1000),
        Size::Small => (64, 8, 256, 100),
    };
    let mut net = Net::new("vgg16");
    let mut x = net.input("image", &[1, 3, side, side]);
    let blocks = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)];
    for (block, (rows, layers)) in (1..).zip(blocks) {
        for layer in 1..=layers {
            let name = format!("conv{block}_{layer}");
            x = conv_relu(&mut net, &name, &x, rows / divisor, &Slide::new(2, 3, 1, 1));
        }
        x = net.max_pool(&x, &Slide::new(2, 2, 2, 0));
    }
    let y = classifier(&mut net, &x, hidden, classes);
    net.output(&y);
    net
}
