//! ONNX files: reading, planning and packing end in a result or an error.
#![no_main]

use std::io::{self, Write};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use quorate_core::packing::{Shelf, pack};
use quorate_core::plan::rule::Wish;
use quorate_core::plan::{Plans, WaitPolicy};
use quorate_model::model::{Limits, Model};
use quorate_model::stage::Staged;

/// Keeps nothing.
struct Nowhere;

impl Shelf for Nowhere {
    fn create(&mut self, _folder: &str, _file: &str) -> io::Result<Box<dyn Write + '_>> {
        Ok(Box::new(io::sink()))
    }
}

fn wish() -> Wish {
    Wish {
        model: "model.onnx".into(),
        model_sha256: "0".repeat(64),
        devices: ["a", "b", "c"].map(String::from).into(),
        hosts: ["a:7001", "b:7001", "c:7001"].map(String::from).into(),
        spares: 1,
        fewest_devices: 2,
        methods: Vec::new(),
        f16: Vec::new(),
        tolerance: 1e-4,
        wait: WaitPolicy::Auto,
    }
}

fuzz_target!(|data: &[u8]| {
    let limits = Limits { nodes: 1000, value_elements: 1 << 20, ..Limits::default() };
    let Ok(model) = Model::read(Bytes::copy_from_slice(data), &limits) else { return };
    let Ok(staged) = Staged::new(model) else { return };
    let wish = wish();
    let Ok(plans) = Plans::by_rule(&staged, &wish) else { return };
    let plans = Plans::parse(&plans.to_toml()).expect("a plan that was made is valid");
    let _ = pack(&staged, &wish.model_sha256, &plans, &mut Nowhere, &mut |_| ());
});
