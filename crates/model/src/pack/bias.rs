//! A layer's bias, cut or coded like its weights.

use bytes::Bytes;

use super::PackError;
use crate::layer::Layer;
use crate::shard::Part;
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
    // A sum has its bias once.
    if matches!(part, Part::Term { columns } if columns.start > 0) {
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
        out.extend((0..rows).map(|row| coded(part, row, |row| at(line, row)) as f32));
    }
    let shape = if lines == 1 { vec![rows] } else { vec![lines, rows] };
    let tensor = Tensor::from_f32(shape.clone(), &out).map_err(wrap)?;
    Ok(Some((shape, tensor.data().clone())))
}

/// The bias of row `row` of `part`, where `at` gives the layer's.
fn coded(part: &Part, row: usize, at: impl Fn(usize) -> f64) -> f64 {
    match part {
        Part::Data { rows } => at(rows.start + row),
        Part::Parity { terms } => {
            let reach = terms.iter().filter(|(_, range)| row < range.len());
            reach.map(|(c, range)| c * at(range.start + row)).sum()
        }
        Part::TileParity { terms } => terms.iter().map(|(c, _)| c * at(row)).sum(),
        Part::Whole | Part::Tile { .. } | Part::Term { .. } => at(row),
    }
}
