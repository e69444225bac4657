//! AlexNet.

use super::Size;
use super::classifier::{classifier, conv_relu};
use super::net::{Net, Slide};

/// AlexNet as torchvision has it: one column, no local response normalisation.
pub(super) fn alexnet(size: Size) -> Net {
    let (side, divisor, hidden, classes) = match size {
        Size::Full => (224, 1, 4096, 1000),
        Size::Small => (96, 4, 512, 100),
    };
    let mut net = Net::new("alexnet");
    let x = net.input("image", &[1, 3, side, side]);
    let pool = Slide::new(2, 3, 2, 0);
    let x = conv_relu(&mut net, "conv1", &x, 64 / divisor, &Slide::new(2, 11, 4, 2));
    let x = net.max_pool(&x, &pool);
    let x = conv_relu(&mut net, "conv2", &x, 192 / divisor, &Slide::new(2, 5, 1, 2));
    let x = net.max_pool(&x, &pool);
    let same = Slide::new(2, 3, 1, 1);
    let x = conv_relu(&mut net, "conv3", &x, 384 / divisor, &same);
    let x = conv_relu(&mut net, "conv4", &x, 256 / divisor, &same);
    let x = conv_relu(&mut net, "conv5", &x, 256 / divisor, &same);
    let x = net.max_pool(&x, &pool);
    let y = classifier(&mut net, &x, hidden, classes);
    net.output(&y);
    net
}
