//! Residual networks: sums of a value and what a block makes of it.

use super::Size;
use super::net::{Net, Slide, Value};

/// Scale of the last BatchNormalization of a block. Trained networks keep it
/// small; with 1 the sums would grow from block to block.
const BRANCH: f32 = 0.5;

/// A window that leaves the area as it is, but for the stride.
fn window(kernel: usize, stride: usize) -> Slide {
    Slide::new(2, kernel, stride, kernel / 2)
}

/// A convolution named as torchvision does, and its BatchNormalization.
fn conv_norm(
    net: &mut Net,
    block: &str,
    number: usize,
    x: &Value,
    rows: usize,
    (window, scale): (Slide, f32),
) -> Value {
    let names = (format!("{block}.conv{number}"), format!("{block}.bn{number}"));
    net.conv_norm((&names.0, &names.1), x, rows, &window, scale)
}

/// Two 3x3 convolutions.
fn basic(net: &mut Net, block: &str, x: &Value, rows: usize, stride: usize) -> Value {
    let y = conv_norm(net, block, 1, x, rows, (window(3, stride), 1.0));
    let y = net.relu(&y);
    conv_norm(net, block, 2, &y, rows, (window(3, 1), BRANCH))
}

/// 1x1, 3x3, 1x1, the stride in the middle.
fn bottleneck(net: &mut Net, block: &str, x: &Value, rows: usize, stride: usize) -> Value {
    narrowed(net, block, x, (rows, rows / 4), window(3, stride))
}

/// The same, twice as wide in the middle, which is in groups.
fn in_groups(groups: usize) -> impl Fn(&mut Net, &str, &Value, usize, usize) -> Value {
    move |net, block, x, rows, stride| {
        narrowed(net, block, x, (rows, rows / 2), window(3, stride).in_groups(groups))
    }
}

fn narrowed(
    net: &mut Net,
    block: &str,
    x: &Value,
    (rows, narrow): (usize, usize),
    middle: Slide,
) -> Value {
    let y = conv_norm(net, block, 1, x, narrow, (window(1, 1), 1.0));
    let y = net.relu(&y);
    let y = conv_norm(net, block, 2, &y, narrow, (middle, 1.0));
    let y = net.relu(&y);
    conv_norm(net, block, 3, &y, rows, (window(1, 1), BRANCH))
}

/// `block` so many times a layer; the first layer has `rows` channels.
fn resnet(
    mut net: Net,
    block: impl Fn(&mut Net, &str, &Value, usize, usize) -> Value,
    counts: [usize; 4],
    rows: usize,
    shape: Shape,
) -> Net {
    let x = net.input("image", &[1, 3, shape.side, shape.side]);
    let window = Slide::new(2, 7, 2, 3);
    let x = net.conv_norm(("conv1", "bn1"), &x, shape.stem, &window, 1.0);
    let x = net.relu(&x);
    let mut x = net.max_pool(&x, &Slide::new(2, 3, 2, 1));
    for (layer, count) in counts.into_iter().enumerate() {
        let rows = rows << layer;
        for index in 0..count {
            let name = format!("layer{}.{index}", layer + 1);
            let stride = if layer > 0 && index == 0 { 2 } else { 1 };
            let branch = block(&mut net, &name, &x, rows, stride);
            let identity = branch.shape == x.shape;
            let skip = if identity {
                x
            } else {
                let names = (format!("{name}.downsample.0"), format!("{name}.downsample.1"));
                let window = Slide::new(2, 1, stride, 0);
                net.conv_norm((&names.0, &names.1), &x, rows, &window, 1.0)
            };
            let sum = net.sum(&format!("{name}.add"), &skip, &branch);
            x = net.relu(&sum);
            if identity {
                // No less than it was: the ReLU halves only what the block added.
                x.square = skip.square + branch.square / 2.0;
            }
        }
    }
    let x = net.global_average_pool(&x);
    let x = net.flatten(&x);
    let y = net.gemm("fc", &x, shape.classes);
    net.output(&y);
    net
}

/// What is around the blocks.
struct Shape {
    side: usize,
    stem: usize,
    classes: usize,
}

/// ResNet-18 as torchvision has it.
pub(super) fn resnet18(size: Size) -> Net {
    let (rows, shape) = match size {
        Size::Full => (64, Shape { side: 224, stem: 64, classes: 1000 }),
        Size::Small => (16, Shape { side: 64, stem: 16, classes: 100 }),
    };
    resnet(Net::new("resnet18"), basic, [2, 2, 2, 2], rows, shape)
}

/// ResNet-50 as torchvision has it (version 1.5).
pub(super) fn resnet50(size: Size) -> Net {
    let (rows, shape) = match size {
        Size::Full => (256, Shape { side: 224, stem: 64, classes: 1000 }),
        Size::Small => (32, Shape { side: 64, stem: 8, classes: 100 }),
    };
    resnet(Net::new("resnet50"), bottleneck, [3, 4, 6, 3], rows, shape)
}

/// ResNeXt-50 32x4d as torchvision has it.
pub(super) fn resnext50(size: Size) -> Net {
    let (rows, groups, shape) = match size {
        Size::Full => (256, 32, Shape { side: 224, stem: 64, classes: 1000 }),
        Size::Small => (32, 8, Shape { side: 64, stem: 8, classes: 100 }),
    };
    resnet(Net::new("resnext50"), in_groups(groups), [3, 4, 6, 3], rows, shape)
}
