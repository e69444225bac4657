//! Convolutions and their transposes.

use super::draft::{Draft, bounded, name};
use crate::graph::NodeError;
use crate::onnx::{int_attribute, ints_attribute};
use crate::operator::typed_node::TypedNode;
use crate::tensor::Tensor;
use crate::window::Sliding;

type Ruled = Result<(), NodeError>;

/// A convolution whose paddings are said.
pub(crate) fn conv(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    if matches!(op.node.text("auto_pad", "NOTSET")?, "NOTSET" | "")
        && op.node.attribute("auto_pad").is_none()
    {
        return Ok(());
    }
    let (x, w) = (&op.input(0)?.shape, &op.input(1)?.shape);
    if x.len() < 3 || w.len() != x.len() {
        return Err(op.bad_shape(0, "batch, channels and 1 or more dimensions"));
    }
    let kernel: Vec<i64> = w[2..].iter().map(|&k| k as i64).collect();
    let window = Sliding::read(op.node, &kernel)?.over(&x[2..])?;
    let before = window.pads.iter().map(|p| p.0 as i64);
    let pads: Vec<i64> = before.chain(window.pads.iter().map(|p| p.1 as i64)).collect();
    let mut attributes = op.node.attributes.clone();
    attributes.retain(|a| !matches!(a.name(), "auto_pad" | "pads"));
    attributes.push(ints_attribute("pads", &pads));
    let inputs: Vec<&str> = op.node.inputs.iter().map(String::as_str).collect();
    draft.again(&inputs, attributes);
    Ok(())
}

/// One spatial dimension of a transposed convolution.
#[derive(Clone, Copy, Debug)]
struct Across {
    input: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// Elements cut off before, and the length of what is left.
    before: usize,
    output: usize,
}

impl Across {
    /// Length before anything is cut.
    fn full(&self) -> usize {
        (self.input - 1) * self.stride + (self.kernel - 1) * self.dilation + 1
    }

    /// Weights that fall on one output place, a stride apart.
    fn taps(&self) -> usize {
        self.kernel.div_ceil(self.stride)
    }

    /// Lengths of the convolution's output without and with places beyond the
    /// last window, on which nothing falls but the bias.
    fn places(&self) -> (usize, usize) {
        let reached = self.input + (self.taps() - 1) * self.dilation;
        (reached, reached.max((self.before + self.output).div_ceil(self.stride)))
    }
}

/// A list of one number a dimension.
fn numbers(
    op: &TypedNode<'_>,
    key: &str,
    dims: usize,
    default: i64,
) -> Result<Vec<i64>, NodeError> {
    let given = op.node.ints(key)?.map_or_else(|| vec![default; dims], <[i64]>::to_vec);
    if given.len() != dims || given.iter().any(|v| !(0..1 << 20).contains(v)) {
        return Err(op.bad(key, format!("{given:?}"), "one small number a dimension"));
    }
    Ok(given)
}

fn dimensions(op: &TypedNode<'_>, x: &[usize], w: &[usize]) -> Result<Vec<Across>, NodeError> {
    let dims = x.len() - 2;
    let strides = numbers(op, "strides", dims, 1)?;
    let dilations = numbers(op, "dilations", dims, 1)?;
    let more = numbers(op, "output_padding", dims, 0)?;
    let pads = numbers(op, "pads", 2 * dims, 0)?;
    let mode = op.node.text("auto_pad", "NOTSET")?;
    let given = op.node.ints("output_shape")?.filter(|s| !s.is_empty());
    if strides.contains(&0) || dilations.contains(&0) {
        return Err(op.bad("strides", format!("{strides:?}"), "positive numbers"));
    }
    let across = |d: usize| {
        let plain = Across {
            input: x[2 + d],
            kernel: w[2 + d],
            stride: strides[d] as usize,
            dilation: dilations[d] as usize,
            before: 0,
            output: 0,
        };
        let full = plain.full() as i64 + more[d];
        let same = matches!(mode, "SAME_UPPER" | "SAME_LOWER");
        let wanted = match given {
            Some(shape) => Some(*shape.get(shape.len() - dims + d).unwrap_or(&0)),
            None if same => Some((x[2 + d] * plain.stride) as i64),
            None => None,
        };
        let (before, output) = match wanted {
            // What is too much is cut at both ends, an odd one where the mode says.
            Some(wanted) => {
                let total = (full - wanted).max(0);
                let less = total / 2;
                (if mode == "SAME_UPPER" { less } else { total - less }, wanted)
            }
            None if mode == "VALID" => (0, full),
            None => (pads[d], full - pads[d] - pads[d + dims]),
        };
        let before = usize::try_from(before).map_err(|_| op.bad("pads", before, "less"))?;
        let output = usize::try_from(output).ok().filter(|&n| n > 0 && n < 1 << 30);
        let output = output.ok_or_else(|| op.bad("pads", "larger than the output", "less"))?;
        Ok(Across { before, output, ..plain })
    };
    match given {
        Some(shape) if shape.len() < dims => {
            Err(op.bad("output_shape", format!("{shape:?}"), "one number a dimension"))
        }
        _ => (0..dims).map(across).collect(),
    }
}

/// A transposed convolution as a convolution: each of the stride's places in
/// the output is a channel of its own, made by the weights that fall on it, and
/// the channels are laid side by side afterwards. The same multiplications, with
/// weights by rows: so it is split and coded like any layer.
///
/// ```text
/// y[s q + r] = sum over t of w[r + s t] x[q - t]      for each r below the stride s
/// ```
pub(crate) fn transposed(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, w) = (&op.input(0)?.shape, &op.input(1)?.shape);
    if x.len() < 3 || w.len() != x.len() || w[0] != x[1] || w.contains(&0) {
        return Err(op.bad_shape(1, "[input channels, output channels, window ..]"));
    }
    let group = op.node.int("group", 1)?;
    let groups = usize::try_from(group).ok().filter(|&g| g > 0 && x[1].is_multiple_of(g));
    let groups = groups.ok_or_else(|| op.bad("group", group, "a divisor of the channels"))?;
    let weights =
        op.constants.get(1).copied().flatten().ok_or(NodeError::NotConstant { index: 1 })?;
    let across = dimensions(op, x, w)?;
    let simple = across.iter().all(|a| a.dilation == 1 || a.stride == 1);
    if !simple {
        let what = "a transposed convolution with both strides and dilations".to_owned();
        return Err(NodeError::Unsupported { what });
    }
    let product = |n: usize, by: usize| bounded(n.saturating_mul(by));
    let phases = across.iter().try_fold(1, |n, a| product(n, a.stride))?;
    let places = across.iter().try_fold(1, |n, a| product(n, a.taps()))?;
    // As many weights as there are, but for zeros where a window is no multiple
    // of its steps.
    let all = phases.saturating_mul(places).saturating_mul(w[0]).saturating_mul(w[1]);
    let most = weights.elements().saturating_mul(1 << across.len()).max(1 << 16);
    if all > most {
        let what = format!("{all} weights, of which {} are none,", all - weights.elements());
        return Err(NodeError::Unsupported { what });
    }
    let turned = turned(weights, groups, &across)?;
    let turned = draft.constant("weights", turned);
    let edge = |a: &Across| ((a.taps() - 1) * a.dilation) as i64;
    let beyond = |a: &Across| (a.places().1 - a.places().0) as i64;
    let after = across.iter().map(|a| edge(a) + beyond(a));
    let pads: Vec<i64> = across.iter().map(edge).chain(after).collect();
    let dilations: Vec<i64> = across.iter().map(|a| a.dilation as i64).collect();
    let attributes = vec![
        ints_attribute("pads", &pads),
        ints_attribute("dilations", &dilations),
        int_attribute("group", groups as i64),
    ];
    let channels = w[1] * groups;
    let mut inputs = vec![name(op, 0)?.to_owned(), turned];
    if let Some(bias) = op.node.input(2) {
        inputs.push(repeated(op, draft, bias, phases)?);
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let made = draft.main().value("Conv", &inputs, attributes);
    let flat = laid_out(draft, &made, x[0], channels, &across)?;
    cropped(draft, flat, &across)
}

/// The bias of each channel for all its places.
fn repeated(
    op: &TypedNode<'_>,
    draft: &mut Draft<'_>,
    bias: &str,
    phases: usize,
) -> Result<String, NodeError> {
    if phases == 1 {
        return Ok(bias.to_owned());
    }
    let constant =
        op.constants.get(2).copied().flatten().ok_or(NodeError::NotConstant { index: 2 })?;
    let values: Vec<f64> =
        constant.to_numbers().iter().flat_map(|&v| std::iter::repeat_n(v, phases)).collect();
    draft.numbers(constant.dtype(), &[values.len()], &values)
}

/// Weights [c, m / groups, k ..] as those of the convolution,
/// [m phases, c / groups, taps ..]: turned round, zero where none falls.
fn turned(weights: &Tensor, groups: usize, across: &[Across]) -> Result<Tensor, NodeError> {
    let shape = weights.shape();
    let (each_in, each_out) = (shape[0] / groups, shape[1]);
    let phases: usize = across.iter().map(|a| a.stride).product();
    let taps: Vec<usize> = across.iter().map(Across::taps).collect();
    let (places, size) = (taps.iter().product::<usize>(), weights.dtype().size());
    let kernel: usize = shape[2..].iter().product();
    let rows = groups * each_out * phases;
    let mut data = vec![0u8; rows * each_in * places * size];
    // For each phase and tap, the place of its weight in the window.
    let source = |phase: usize, tap: usize| {
        let (mut phase, mut tap, mut at, mut stride) = (phase, tap, 0, 1);
        for (d, a) in across.iter().enumerate().rev() {
            let (r, t) = (phase % a.stride, tap % taps[d]);
            (phase, tap) = (phase / a.stride, tap / taps[d]);
            let k = r + a.stride * (taps[d] - 1 - t);
            if k >= a.kernel {
                return None;
            }
            at += k * stride;
            stride *= a.kernel;
        }
        Some(at)
    };
    for phase in 0..phases {
        for tap in 0..places {
            let Some(k) = source(phase, tap) else { continue };
            for out in 0..groups * each_out {
                let (g, o) = (out / each_out, out % each_out);
                for i in 0..each_in {
                    let from = (((g * each_in + i) * each_out + o) * kernel + k) * size;
                    let to = (((out * phases + phase) * each_in + i) * places + tap) * size;
                    data[to..to + size].copy_from_slice(&weights.data()[from..from + size]);
                }
            }
        }
    }
    let mut to = vec![rows, each_in];
    to.extend(&taps);
    Ok(Tensor::new(weights.dtype(), to, data.into())?)
}

/// [n, m phases, q ..] as [n, m, q stride ..].
fn laid_out(
    draft: &mut Draft<'_>,
    x: &str,
    batch: usize,
    channels: usize,
    across: &[Across],
) -> Result<String, NodeError> {
    if across.iter().all(|a| a.stride == 1) {
        return Ok(x.to_owned());
    }
    let dims = across.len();
    let lengths: Vec<usize> = across.iter().map(|a| a.places().1).collect();
    let mut apart = vec![batch, channels];
    apart.extend(across.iter().map(|a| a.stride));
    apart.extend(&lengths);
    let mut order = vec![0, 1];
    order.extend((0..dims).flat_map(|d| [2 + dims + d, 2 + d]));
    let mut whole = vec![batch, channels];
    whole.extend(across.iter().zip(&lengths).map(|(a, length)| a.stride * length));
    let x = draft.reshape(x, &apart)?;
    let x = draft.transpose(&x, &order);
    draft.reshape(&x, &whole)
}

/// Cuts each dimension to what is wanted.
fn cropped(draft: &mut Draft<'_>, x: String, across: &[Across]) -> Ruled {
    let mut x = x;
    for (d, a) in across.iter().enumerate() {
        let (start, end) = (a.before, a.before + a.output);
        if (start, end) != (0, a.places().1 * a.stride) {
            x = draft.cut(&x, 2 + d, start, end)?;
        }
    }
    draft.done(&x);
    Ok(())
}
