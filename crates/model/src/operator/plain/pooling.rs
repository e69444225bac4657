//! Pooling.

use super::draft::{Draft, bounded, name};
use crate::graph::NodeError;
use crate::onnx::{AttributeProto, int_attribute, ints_attribute, text_attribute};
use crate::operator::typed_node::TypedNode;
use crate::tensor::DType;
use crate::window::{Sliding, Window};

type Ruled = Result<(), NodeError>;

/// Longest window, over all dimensions, whose places are taken one by one.
const TAPS_MAX: i64 = 1024;

/// A pooling node's window, resolved, and what it makes.
struct Pool {
    kernel: Vec<i64>,
    dilations: Vec<i64>,
    window: Window,
    /// Lengths of the input's and the output's spatial dimensions.
    input: Vec<usize>,
    output: Vec<usize>,
}

impl Pool {
    fn read(op: &TypedNode<'_>) -> Result<Pool, NodeError> {
        let shape = &op.input(0)?.shape;
        let kernel = op.node.ints("kernel_shape")?.unwrap_or(&[]).to_vec();
        if shape.len() < 3 || kernel.len() + 2 != shape.len() {
            return Err(op.bad_shape(0, format!("{} dimensions", kernel.len().max(1) + 2)));
        }
        let dilations = op.node.ints("dilations")?.unwrap_or(&[]).to_vec();
        let dilations = if dilations.is_empty() { vec![1; kernel.len()] } else { dilations };
        let input = shape[2..].to_vec();
        let odd = dilations.iter().any(|&d| d != 1)
            || !matches!(op.node.op.as_str(), "MaxPool" | "AveragePool");
        if odd {
            walkable(&kernel)?;
        }
        let output = Sliding::read(op.node, &kernel)?.output(&input)?;
        let window = Sliding::read(op.node, &kernel)?.over(&input)?;
        Ok(Pool { kernel, dilations, window, input, output })
    }

    /// How far windows reach beyond the padded input, in each dimension.
    fn beyond(&self, d: usize) -> i64 {
        let reach = (self.output[d].max(1) - 1) * self.window.strides[d] + self.window.extent[d];
        let (before, after) = self.window.pads[d];
        reach as i64 - (self.input[d] + before + after) as i64
    }

    fn is_dilated(&self) -> bool {
        self.dilations.iter().any(|&d| d != 1)
    }

    /// The window as attributes; padding only where it is to be done there.
    fn attributes(&self, padded: bool) -> Vec<AttributeProto> {
        let strides: Vec<i64> = self.window.strides.iter().map(|&s| s as i64).collect();
        let mut list =
            vec![ints_attribute("kernel_shape", &self.kernel), ints_attribute("strides", &strides)];
        if padded {
            let before = self.window.pads.iter().map(|p| p.0 as i64);
            let pads: Vec<i64> =
                before.chain(self.window.pads.iter().map(|p| p.1 as i64)).collect();
            list.push(ints_attribute("pads", &pads));
        }
        list
    }

    /// Does the node say no more than its window, and nothing that is odd?
    fn is_plain(&self, op: &TypedNode<'_>) -> Result<bool, NodeError> {
        let explicit = matches!(op.node.text("auto_pad", "NOTSET")?, "NOTSET" | "");
        let even = (0..self.kernel.len()).all(|d| self.beyond(d) <= 0);
        // A window that starts in the padding at the end is dropped.
        Ok(explicit && even && !self.is_dilated() && op.node.int("ceil_mode", 0)? == 0)
    }
}

/// Pads of all dimensions for a `Pad`: those of the window, and as many at the
/// end as the last windows reach beyond.
fn all_pads(pool: &Pool) -> Vec<i64> {
    let dims = pool.kernel.len();
    let mut pads = vec![0; 2 * (dims + 2)];
    for d in 0..dims {
        pads[2 + d] = pool.window.pads[d].0 as i64;
        // More than is reached would only be ignored.
        pads[dims + 4 + d] = (pool.window.pads[d].1 as i64 + pool.beyond(d)).max(0);
    }
    pads
}

/// A MaxPool without padding modes, dilation and half windows. What is padded
/// is less than anything.
pub(crate) fn max(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let pool = Pool::read(op)?;
    let dtype = op.input(0)?.dtype;
    if op.node.outputs.get(1).is_some_and(|indices| !indices.is_empty()) {
        let what = "the places of the greatest".to_owned();
        return Err(NodeError::Unsupported { what });
    }
    if pool.is_plain(op)? {
        return Ok(());
    }
    if !pool.is_dilated() && (0..pool.kernel.len()).all(|d| pool.beyond(d) <= 0) {
        let attributes = pool.attributes(true);
        draft.main().output(0, "MaxPool", &[name(op, 0)?], attributes);
        return Ok(());
    }
    let least = match dtype {
        DType::F32 | DType::F64 => f64::NEG_INFINITY,
        DType::I8 => f64::from(i8::MIN),
        _ => 0.0,
    };
    let x = padded(draft, &pool, name(op, 0)?, dtype, least)?;
    if !pool.is_dilated() {
        let attributes = pool.attributes(false);
        draft.main().output(0, "MaxPool", &[&x], attributes);
        return Ok(());
    }
    let most = over_windows(draft, &pool, x, "Max")?;
    draft.done(&most);
    Ok(())
}

/// An AveragePool without padding modes; odd ones as a sum over the number of
/// places that count.
pub(crate) fn average(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let pool = Pool::read(op)?;
    let counted = op.node.int("count_include_pad", 0)? != 0;
    let unpadded = pool.window.pads.iter().all(|p| *p == (0, 0));
    if pool.is_plain(op)? && op.node.attribute("storage_order").is_none() {
        return Ok(());
    }
    let even = (0..pool.kernel.len()).all(|d| pool.beyond(d) <= 0);
    if !pool.is_dilated() && even {
        let mut attributes = pool.attributes(true);
        if counted && !unpadded {
            attributes.push(int_attribute("count_include_pad", 1));
        }
        draft.main().output(0, "AveragePool", &[name(op, 0)?], attributes);
        return Ok(());
    }
    bounded(pool.output.iter().fold(1usize, |n, &d| n.saturating_mul(d)))?;
    walkable(&pool.kernel)?;
    let sum = window_sum(op, draft, &pool, name(op, 0)?)?;
    let mut counts = vec![1.0];
    for d in 0..pool.kernel.len() {
        let (before, after) = pool.window.pads[d];
        let (low, high) = match counted {
            true => (0, pool.input[d] + before + after),
            false => (before, pool.input[d] + before),
        };
        let count = |at: usize| {
            let start = at * pool.window.strides[d];
            let places = (0..pool.kernel[d] as usize)
                .map(|tap| start + tap * pool.dilations[d] as usize)
                .filter(|place| (low..high).contains(place));
            places.count().max(1) as f64
        };
        let here: Vec<f64> = (0..pool.output[d]).map(count).collect();
        counts = counts.iter().flat_map(|c| here.iter().map(move |h| c * h)).collect();
    }
    let mut shape = vec![1, 1];
    shape.extend(&pool.output);
    let counts = draft.numbers(op.input(0)?.dtype, &shape, &counts)?;
    draft.output(0, "Div", &[&sum, &counts], Vec::new());
    Ok(())
}

/// Refuses windows that are too long to be walked over.
fn walkable(kernel: &[i64]) -> Result<(), NodeError> {
    let taps = kernel.iter().fold(0i64, |n, &k| n.saturating_add(k.max(0)));
    match taps <= TAPS_MAX {
        true => Ok(()),
        false => Err(NodeError::Unsupported { what: format!("a window of {kernel:?}") }),
    }
}

/// The sum over each window.
fn window_sum(
    op: &TypedNode<'_>,
    draft: &mut Draft<'_>,
    pool: &Pool,
    x: &str,
) -> Result<String, NodeError> {
    let x = padded(draft, pool, x, op.input(0)?.dtype, 0.0)?;
    over_windows(draft, pool, x, "Add")
}

/// Input `x` with `fill` around it, as far as windows reach.
fn padded(
    draft: &mut Draft<'_>,
    pool: &Pool,
    x: &str,
    dtype: DType,
    fill: f64,
) -> Result<String, NodeError> {
    let pads = all_pads(pool);
    if pads.iter().all(|&p| p == 0) {
        return Ok(x.to_owned());
    }
    let (pads, fill) = (draft.list("pads", &pads)?, draft.number(dtype, fill)?);
    let mode = vec![text_attribute("mode", "constant")];
    Ok(draft.value("Pad", &[x, &pads, &fill], mode))
}

/// The places of each window of the padded `x`, joined by `joins` (`Max` or
/// `Add`): one dimension after the other, one place of the window at a time.
fn over_windows(
    draft: &mut Draft<'_>,
    pool: &Pool,
    mut x: String,
    joins: &str,
) -> Result<String, NodeError> {
    for d in 0..pool.kernel.len() {
        let mut joined: Option<String> = None;
        for tap in 0..pool.kernel[d] {
            let places: Vec<i64> = (0..bounded(pool.output[d])? as i64)
                .map(|at| at * pool.window.strides[d] as i64 + tap * pool.dilations[d])
                .collect();
            let entry = draft.pick(&x, 2 + d, &places)?;
            joined = Some(match joined {
                None => entry,
                Some(joined) => draft.two(joins, &joined, &entry),
            });
        }
        x = joined.unwrap_or(x);
    }
    Ok(x)
}

/// |x|^p, for a `p` that is mostly 1 or 2.
fn power(draft: &mut Draft<'_>, x: &str, dtype: DType, p: f64) -> Result<String, NodeError> {
    if p == 2.0 {
        return Ok(draft.two("Mul", x, x));
    }
    let size = draft.one("Abs", x);
    if p == 1.0 {
        return Ok(size);
    }
    let p = draft.number(dtype, p)?;
    Ok(draft.two("Pow", &size, &p))
}

/// x^(1 / p).
fn root(draft: &mut Draft<'_>, x: &str, dtype: DType, p: f64) -> Result<String, NodeError> {
    if p == 1.0 {
        return Ok(x.to_owned());
    }
    if p == 2.0 {
        return Ok(draft.one("Sqrt", x));
    }
    let p = draft.number(dtype, 1.0 / p)?;
    Ok(draft.two("Pow", x, &p))
}

/// (sum |x|^p)^(1 / p) over each window.
pub(crate) fn lp(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (pool, dtype) = (Pool::read(op)?, op.input(0)?.dtype);
    let p = op.node.int("p", 2)? as f64;
    let raised = power(draft, name(op, 0)?, dtype, p)?;
    let sum = window_sum(op, draft, &pool, &raised)?;
    let norm = root(draft, &sum, dtype, p)?;
    draft.done(&norm);
    Ok(())
}

/// (sum |x|^p)^(1 / p) over all places of each channel.
pub(crate) fn global_lp(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let types = op.input(0)?;
    let p = op.node.int("p", 2)? as f64;
    let axes: Vec<usize> = (2..types.shape.len()).collect();
    let raised = power(draft, name(op, 0)?, types.dtype, p)?;
    let sum = draft.reduce("ReduceSum", &raised, &axes)?;
    let norm = root(draft, &sum, types.dtype, p)?;
    draft.done(&norm);
    Ok(())
}

/// The greatest of each channel.
pub(crate) fn global_max(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let axes: Vec<usize> = (2..op.input(0)?.shape.len()).collect();
    let most = draft.reduce("ReduceMax", name(op, 0)?, &axes)?;
    draft.done(&most);
    Ok(())
}
