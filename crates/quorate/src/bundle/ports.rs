//! What a bundle's plans take in.

use quorate_core::id::ValueId;
use quorate_core::plan::Plans;
use quorate_engine::Port;

/// Names, types and shapes of the inputs of all plans.
pub fn input_ports(plans: &Plans) -> Vec<Port> {
    let port = |value: ValueId| {
        let value = &plans.values()[value.index()];
        Port { name: value.name.clone(), dtype: value.dtype, shape: value.shape.clone() }
    };
    plans.main().inputs().map(port).collect()
}
