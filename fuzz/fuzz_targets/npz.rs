//! Archives of arrays: what is read has the values that its shape tells of.
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
use quorate::input::read_npz_bytes;
use quorate::random;

fuzz_target!(|data: &[u8]| {
    for (_, tensor) in read_npz_bytes(data).unwrap_or_default() {
        let values: usize = tensor.shape().iter().product();
        assert_eq!(tensor.data().len(), values * tensor.dtype().size());
    }
});
