//! Inputs for programs, as `.npy` files.

/// `count` inputs of `width` numbers as a `.npy` file, version 1: so many
/// `different` ones, over and over.
pub(crate) fn npy(width: usize, different: usize, count: usize) -> Vec<u8> {
    let header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, {width}), }}");
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((padded as u16).to_le_bytes());
    bytes.extend(format!("{header:<width$}\n", width = padded - 1).bytes());
    let value = |index: usize| ((index * 37 % 101) as f32 - 50.0) / 50.0;
    let one = |input: usize| (0..width).map(move |at| value(input % different * width + at));
    bytes.extend((0..count).flat_map(one).flat_map(f32::to_le_bytes));
    bytes
}
