//! Input files of every kind: what is read has the model's shape.
#![no_main]
// Not all of the program's module is used here.
#![allow(unused)]

// The module's own files instead of the crate, which would bring an inference
// engine that takes minutes to compile.
#[path = "../../crates/quorate/src"]
mod quorate {
    pub mod input;
    pub mod random;
}

use libfuzzer_sys::fuzz_target;
use quorate::input::{Preprocess, read_bytes, read_labels_bytes};
use quorate::random;

const CASES: [(&str, &[usize]); 6] = [
    ("x", &[1, 1, 2, 2]),
    ("x", &[1, 3, 5, 4]),
    ("x", &[2, 3]),
    ("x", &[1, 4]),
    ("x.bin", &[1, 3, 32, 32]),
    ("x.bin.gz", &[1, 3072]),
];

fuzz_target!(|data: &[u8]| {
    let Some((&case, bytes)) = data.split_first() else { return };
    let (name, shape) = CASES[usize::from(case) % CASES.len()];
    if let Ok(inputs) = read_bytes(name, bytes, shape, &Preprocess::default(), Some(8)) {
        assert!(!inputs.tensors.is_empty() && inputs.tensors.len() <= 8);
        assert!(inputs.tensors.iter().all(|tensor| tensor.shape() == shape));
        assert!(inputs.labels.is_none_or(|labels| labels.len() == inputs.tensors.len()));
    }
    let _ = read_labels_bytes(name, bytes);
});
