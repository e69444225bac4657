//! Resize and Upsample: one axis after the other, as picked entries and their
//! weighted sums.

use super::draft::{Draft, name};
use super::taps::{Axis, Nearest, Places, Taps};
use crate::graph::NodeError;
use crate::operator::typed_node::{TypedNode, resolve_axis};
use crate::tensor::DType;

type Ruled = Result<(), NodeError>;

/// Most entries that an entry is made of.
const TAPS_MAX: usize = 8;

/// How entries are made of others.
enum Mode {
    Nearest(Nearest),
    Linear,
    Cubic { a: f32, exclude_outside: bool },
}

impl Mode {
    fn taps(&self, axis: &Axis) -> Taps {
        match *self {
            Mode::Nearest(rule) => axis.nearest(rule),
            Mode::Linear => axis.linear(),
            Mode::Cubic { a, exclude_outside } => axis.cubic(a, exclude_outside),
        }
    }
}

/// Resizes to lengths that are constant.
pub(crate) fn resize(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let types = op.input(0)?;
    let axes = axes(op)?;
    let mode = mode(op)?;
    let mut x = name(op, 0)?.to_owned();
    let float = matches!(types.dtype, DType::F32 | DType::F64);
    if !float && !matches!(mode, Mode::Nearest(_)) {
        let what = format!("resizing {} other than to the nearest", types.dtype);
        return Err(NodeError::Unsupported { what });
    }
    // Axes that become shorter first: less is left for the others.
    let mut order: Vec<usize> = (0..axes.len()).collect();
    order.sort_by_key(|&d| axes[d].output > axes[d].input);
    for d in order {
        let axis = axes[d];
        if axis.input == axis.output
            && axis.scale == 1.0
            && !matches!(axis.places, Places::Crop { .. })
        {
            continue;
        }
        x = along(draft, &x, d, types, &mode.taps(&axis))?;
    }
    draft.done(&x);
    Ok(())
}

fn along(
    draft: &mut Draft<'_>,
    x: &str,
    axis: usize,
    types: &crate::graph::ValueType,
    taps: &Taps,
) -> Result<String, NodeError> {
    let count = taps.iter().map(Vec::len).max().unwrap_or(0);
    if count == 0 || count > TAPS_MAX {
        return Err(NodeError::Unsupported { what: format!("{count} entries for one") });
    }
    let mut shape = vec![1; types.shape.len()];
    shape[axis] = taps.len();
    let mut sum: Option<String> = None;
    for tap in 0..count {
        let of = |entry: &Vec<(usize, f32)>| entry.get(tap).copied().unwrap_or((0, 0.0));
        let places: Vec<i64> = taps.iter().map(|entry| of(entry).0 as i64).collect();
        let weights: Vec<f64> = taps.iter().map(|entry| f64::from(of(entry).1)).collect();
        if weights.iter().all(|&w| w == 0.0) {
            continue;
        }
        let mut term = draft.pick(x, axis, &places)?;
        if weights.iter().any(|&w| w != 1.0) {
            let weights = draft.numbers(types.dtype, &shape, &weights)?;
            term = draft.two("Mul", &term, &weights);
        }
        sum = Some(match sum {
            None => term,
            Some(sum) => draft.two("Add", &sum, &term),
        });
    }
    sum.ok_or_else(|| NodeError::Unsupported { what: "resizing to nothing".to_owned() })
}

/// How each axis is resized.
fn axes(op: &TypedNode<'_>) -> Result<Vec<Axis>, NodeError> {
    let shape = &op.input(0)?.shape;
    let rank = shape.len();
    let at = match op.opset {
        ..10 if op.node.op == "Upsample" => 1,
        10 => 1,
        _ if op.node.op == "Upsample" => 1,
        _ => 2,
    };
    let named: Vec<usize> = match op.node.ints("axes")? {
        None => (0..rank).collect(),
        Some(given) => {
            let axes = given.iter().map(|&axis| resolve_axis(axis, rank));
            let bad = || op.bad("axes", format!("{given:?}"), "axes of the input");
            axes.collect::<Option<_>>().ok_or_else(bad)?
        }
    };
    let sizes = if at == 2 { op.list(3)? } else { None };
    let scales = match op.node.floats("scales")? {
        Some(given) => given.iter().map(|&s| f64::from(s)).collect(),
        None => numbers(op, at)?,
    };
    let region = if at == 2 { numbers(op, 1)? } else { Vec::new() };
    let policy = op.node.text("keep_aspect_ratio_policy", "stretch")?;
    let mut all: Vec<Axis> = shape
        .iter()
        .map(|&input| Axis { input, output: input, scale: 1.0, places: Places::Asymmetric })
        .collect();
    let given = match &sizes {
        Some(sizes) if !sizes.is_empty() => sizes.len(),
        _ => scales.len(),
    };
    if given != named.len() {
        return Err(op.bad_shape(at, format!("{} numbers", named.len())));
    }
    let ratios = |sizes: &[i64]| -> Vec<f32> {
        named.iter().zip(sizes).map(|(&d, &size)| size as f32 / shape[d] as f32).collect()
    };
    let kept = sizes.as_deref().filter(|s| !s.is_empty()).and_then(|sizes| match policy {
        "not_larger" => ratios(sizes).into_iter().reduce(f32::min),
        "not_smaller" => ratios(sizes).into_iter().reduce(f32::max),
        _ => None,
    });
    for (entry, &d) in named.iter().enumerate() {
        let input = shape[d];
        let (output, scale) = match &sizes {
            Some(sizes) if !sizes.is_empty() => match kept {
                Some(scale) => ((scale * input as f32).round_ties_even() as i64, scale),
                None => (sizes[entry], sizes[entry] as f32 / input as f32),
            },
            _ => ((scales[entry] as f32 * input as f32).floor() as i64, scales[entry] as f32),
        };
        let output = usize::try_from(output).ok().filter(|&n| n > 0 && n <= 1 << 20);
        let output = output.ok_or_else(|| op.bad_shape(at, "positive lengths"))?;
        let places = places(op, &region, entry, named.len())?;
        all[d] = Axis { input, output, scale, places };
    }
    Ok(all)
}

/// The constant numbers of input `index`, none where it is left out.
fn numbers(op: &TypedNode<'_>, index: usize) -> Result<Vec<f64>, NodeError> {
    if op.node.input(index).is_none() {
        return Ok(Vec::new());
    }
    let constant = op.constants.get(index).copied().flatten();
    Ok(constant.ok_or(NodeError::NotConstant { index })?.to_numbers())
}

fn places(
    op: &TypedNode<'_>,
    region: &[f64],
    entry: usize,
    count: usize,
) -> Result<Places, NodeError> {
    if op.opset <= 10 || op.node.op == "Upsample" {
        return Ok(Places::Asymmetric);
    }
    Ok(match op.node.text("coordinate_transformation_mode", "half_pixel")? {
        "half_pixel" => Places::HalfPixel,
        "half_pixel_symmetric" => Places::HalfPixelSymmetric,
        "pytorch_half_pixel" => Places::PytorchHalfPixel,
        "align_corners" => Places::AlignCorners,
        "asymmetric" => Places::Asymmetric,
        "tf_half_pixel_for_nn" => Places::HalfPixelForNearest,
        "tf_crop_and_resize" => {
            let [start, end] = [region.get(entry), region.get(count + entry)];
            let (Some(&start), Some(&end)) = (start, end) else {
                return Err(op.bad_shape(1, "two numbers an axis"));
            };
            let inside = |v: f64| (0.0..=1.0).contains(&v);
            if !inside(start) || !inside(end) {
                let what = "a crop beyond the input".to_owned();
                return Err(NodeError::Unsupported { what });
            }
            Places::Crop { start: start as f32, end: end as f32 }
        }
        other => {
            return Err(op.bad("coordinate_transformation_mode", other, "a mode of ONNX"));
        }
    })
}

fn mode(op: &TypedNode<'_>) -> Result<Mode, NodeError> {
    if op.node.int("antialias", 0)? != 0 {
        return Err(NodeError::Unsupported { what: "antialias".to_owned() });
    }
    let old = op.opset <= 10 || op.node.op == "Upsample";
    Ok(match op.node.text("mode", "nearest")? {
        "nearest" if old => Mode::Nearest(Nearest::Simple),
        "nearest" => Mode::Nearest(match op.node.text("nearest_mode", "round_prefer_floor")? {
            "round_prefer_floor" => Nearest::PreferFloor,
            "round_prefer_ceil" => Nearest::PreferCeil,
            "floor" => Nearest::Floor,
            "ceil" => Nearest::Ceil,
            other => return Err(op.bad("nearest_mode", other, "a mode of ONNX")),
        }),
        "linear" | "bilinear" => Mode::Linear,
        "cubic" => Mode::Cubic {
            a: op.node.float("cubic_coeff_a", -0.75)?,
            exclude_outside: op.node.int("exclude_outside", 0)? != 0,
        },
        other => return Err(op.bad("mode", other, "nearest, linear or cubic")),
    })
}
