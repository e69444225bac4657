//! A layer's bias, cut or coded like its weights.

use std::ops::Range;

use bytes::Bytes;
use quorate_code::ParitySums;

use super::error::PackError;
use crate::layer::Layer;
use crate::part::{Bias, ParityRows, Part};
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
    let Some(bias) = part.bias(layer) else { return Ok(None) };
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
        values.get(line * columns + column).copied().unwrap_or(0.0)
    };
    let rows = part.rows(layer);
    let mut out = Vec::with_capacity(lines * rows);
    for line in 0..lines {
        let of = |rows: &Range<usize>| rows.clone().map(|row| at(line, row)).collect::<Vec<f32>>();
        match &bias {
            Bias::Rows(rows) => out.extend(of(rows)),
            Bias::Parity(ParityRows { code, parity, rows: shards }) => {
                let mut sums = ParitySums::one(code, *parity, rows);
                for (shard, rows) in shards.iter().enumerate() {
                    sums.add(shard, 0, &of(rows))?;
                }
                out.extend(sums.parity(0));
            }
        }
    }
    let shape = if lines == 1 { vec![rows] } else { vec![lines, rows] };
    let tensor = Tensor::from_f32(shape.clone(), &out).map_err(wrap)?;
    Ok(Some((shape, tensor.data().clone())))
}
