//! A layer's bias, cut or coded like its weights.

use bytes::Bytes;

use super::error::PackError;
use crate::layer::Layer;
use crate::part::Part;
use crate::stage::Staged;
use crate::tensor::Tensor;

/// Shape and f32 bytes of the bias of `part`: [rows], or [m, rows] where it
/// differs by the m rows of a Gemm's input. One value for all outputs becomes
/// one for each, because parity rows need it so.
pub(super) fn bias(
    staged: &Staged,
    layer: &Layer,
    part: &Part,
) -> Result<Option<(Vec<usize>, Bytes)>, PackError> {
    let Some(name) = &layer.bias else { return Ok(None) };
    let terms = part.bias(layer);
    if terms.is_empty() {
        return Ok(None);
    }
    let constant = staged.model.graph.constant(name);
    let constant = constant.ok_or_else(|| PackError::Absent { name: name.clone() })?;
    let wrap = |why| PackError::Initializer { name: name.clone(), why };
    let values = constant.to_f32().map_err(wrap)?;
    let (lines, columns) = match *constant.shape() {
        [] => (1, 1),
        [n] => (1, n),
        [m, n] => (m, n),
        _ => return Err(PackError::Absent { name: name.clone() }),
    };
    let at = |line: usize, row: usize| {
        let column = if columns == 1 { 0 } else { row };
        f64::from(values.get(line * columns + column).copied().unwrap_or(0.0))
    };
    let rows = part.rows(layer);
    let mut out = Vec::with_capacity(lines * rows);
    for line in 0..lines {
        let sum = |row| {
            let reach = terms.iter().filter(|(_, range)| row < range.len());
            reach.map(|(c, range)| c * at(line, range.start + row)).sum::<f64>()
        };
        out.extend((0..rows).map(|row| sum(row) as f32));
    }
    let shape = if lines == 1 { vec![rows] } else { vec![lines, rows] };
    let tensor = Tensor::from_f32(shape.clone(), &out).map_err(wrap)?;
    Ok(Some((shape, tensor.data().clone())))
}
