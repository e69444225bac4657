//! ONNX files: reading, planning and packing end in a result or an error.
#![no_main]

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use quorate_core::packing::{Shelf, pack};
use quorate_core::plan::Plans;
use quorate_core::planner::{self, MethodRequest, PlanRequest, PlannerError};
use quorate_model::division::method::Method;
use quorate_model::model::{Limits, Model};
use quorate_model::stage::{Cut, Recurrent, Staged};

/// Keeps nothing.
struct Nowhere;

impl Shelf for Nowhere {
    fn create(&mut self, _folder: &str, _file: &str) -> io::Result<Box<dyn Write + '_>> {
        Ok(Box::new(io::sink()))
    }
}

/// Every layer as it is by default, and as differently as can be.
fn ways() -> [(Recurrent, Vec<Method>); 2] {
    [(Recurrent::Whole, Vec::new()), (Recurrent::Step, vec![Method::Spatial, Method::Input])]
}

fuzz_target!(|data: &[u8]| {
    let limits = Limits { nodes: 1000, value_elements: 1 << 20, ..Limits::default() };
    let Ok(model) = Model::read(Bytes::copy_from_slice(data), &limits) else { return };
    let model = Arc::new(model);
    for (recurrent, methods) in ways() {
        let cut = Cut { recurrent, ..Cut::default() };
        let Ok(staged) = Staged::cut(model.clone(), &cut) else { return };
        let mut request = PlanRequest::local("model.onnx", &"0".repeat(64), 2, 1).expect("devices");
        request.fewest_devices = 2;
        request.methods =
            methods.iter().map(|&m| MethodRequest { layer: None, method: m }).collect();
        let plans = match planner::even(&staged, &request) {
            Ok(plans) => plans,
            Err(PlannerError::Draft { message }) => {
                panic!("what was planned is refused: {message}")
            }
            Err(_) => return,
        };
        let plans = Plans::parse(&plans.to_toml()).expect("a plan that was made is valid");
        let _ = pack(&staged, &request.model_sha256, &plans, &mut Nowhere, &mut |_| ());
    }
});
