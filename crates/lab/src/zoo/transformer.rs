//! An encoder of attention: every MatMul with constant weights is a layer,
//! what is between them is glue.

use super::Size;
use super::net::{Net, Value};

const LAYERS: usize = 6;

/// Dimensions of an encoder.
struct Encoder {
    tokens: usize,
    width: usize,
    heads: usize,
}

/// An encoder of attention over 64 tokens of 64 features, normalised before
/// each half of a layer, to 100 classes.
pub(super) fn transformer(size: Size) -> Net {
    let shape = match size {
        Size::Full => Encoder { tokens: 64, width: 256, heads: 4 },
        Size::Small => Encoder { tokens: 16, width: 64, heads: 4 },
    };
    let mut net = Net::new("transformer");
    let x = net.input("tokens", &[1, shape.tokens, 64]);
    let x = net.linear("embed", &x, shape.width);
    let mut x = net.offset("positions", &x);
    for layer in 0..LAYERS {
        let name = |part: &str| format!("layer{layer}.{part}");
        let y = net.layer_norm(&name("norm1"), &x);
        let y = attention(&mut net, &name("attention"), &y, &shape);
        x = net.sum(&name("add1"), &x, &y);
        let y = net.layer_norm(&name("norm2"), &x);
        let y = net.linear(&name("up"), &y, 4 * shape.width);
        let y = net.gelu(&y);
        let y = net.linear(&name("down"), &y, shape.width);
        x = net.sum(&name("add2"), &x, &y);
    }
    let x = net.layer_norm("norm", &x);
    let x = net.mean("tokens.mean", &x, 1);
    let y = net.gemm("fc", &x, 100);
    net.output(&y);
    net
}

/// Attention of every token to every other, [1, tokens, width] to the same.
fn attention(net: &mut Net, name: &str, x: &Value, shape: &Encoder) -> Value {
    let depth = shape.width / shape.heads;
    let mut heads = |part: &str, perm: &[usize]| {
        let name = format!("{name}.{part}");
        let y = net.linear(&name, x, shape.width);
        let apart = [1, shape.tokens, shape.heads, depth];
        let y = net.reshape(&format!("{name}.heads"), &y, &apart);
        net.transpose(&format!("{name}.by_head"), &y, perm)
    };
    let query = heads("query", &[0, 2, 1, 3]);
    let key = heads("key", &[0, 2, 3, 1]);
    let value = heads("value", &[0, 2, 1, 3]);
    let scores = net.product(&format!("{name}.scores"), &query, &key);
    let scores = net.scale(&format!("{name}.scaled"), &scores, 1.0 / (depth as f32).sqrt());
    let weights = net.softmax(&format!("{name}.softmax"), &scores);
    let y = net.product(&format!("{name}.mix"), &weights, &value);
    let y = net.transpose(&format!("{name}.by_token"), &y, &[0, 2, 1, 3]);
    let y = net.reshape(&format!("{name}.joined"), &y, &x.shape);
    net.linear(&format!("{name}.out"), &y, shape.width)
}
