//! What is to be planned for.

use quorate_model::division::method::Method;

use super::error::PlannerError;
use crate::audit::Verify;
use crate::cluster::Cluster;
use crate::plan::{Protect, WaitPolicy};

/// First port of the addresses given where none are asked for.
const FIRST_PORT: usize = 7001;

/// What is to be planned for.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// File name of the model.
    pub model: String,
    /// SHA-256 of the model file, in hex.
    pub model_sha256: String,
    /// The devices: those for data, then the spares.
    pub cluster: Cluster,
    /// How many of them are spares: for parity, or those without which there is a
    /// plan for the others, where a loss is met on demand.
    pub spares: usize,
    /// Plans for fewer devices, down to this many.
    pub fewest_devices: usize,
    /// How to divide layers: one that names the layer counts before one for
    /// all, of several the last. Where none fits, by rows.
    pub methods: Vec<MethodRequest>,
    /// Layers, or values, that travel as f16; `*` for all.
    pub f16: Vec<String>,
    /// Relative error of an answer that is still right.
    pub tolerance: f64,
    /// How long a consumer stays with the roster.
    pub wait: WaitPolicy,
    /// How answers are checked.
    pub verify: Verify,
    /// How a loss is met.
    pub protect: Protect,
}

impl PlanRequest {
    /// For these devices, the spares last; all else as it is by default.
    pub fn new(model: &str, model_sha256: &str, cluster: Cluster, spares: usize) -> PlanRequest {
        PlanRequest {
            model: model.to_owned(),
            model_sha256: model_sha256.to_owned(),
            cluster,
            spares,
            fewest_devices: 1,
            methods: Vec::new(),
            f16: Vec::new(),
            tolerance: 1e-4,
            wait: WaitPolicy::Auto,
            verify: Verify::Off,
            protect: Protect::Always,
        }
    }

    /// For so many devices of one machine, `pi-1`, `pi-2` and on.
    pub fn local(
        model: &str,
        model_sha256: &str,
        data: usize,
        spares: usize,
    ) -> Result<PlanRequest, PlannerError> {
        let count = data.saturating_add(spares);
        if data == 0 || count > crate::id::DeviceSet::MAX {
            return Err(PlannerError::Devices { data, spares });
        }
        let names: Vec<String> = (1..=count).map(|i| format!("pi-{i}")).collect();
        let ports = FIRST_PORT..FIRST_PORT + count;
        let addresses: Vec<String> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
        let cluster = Cluster::of(&names, &addresses)?;
        Ok(PlanRequest::new(model, model_sha256, cluster, spares))
    }
}

/// A method for one layer, or for all layers of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodRequest {
    /// The layer, or the value that it makes; `None` for all that the method
    /// is for.
    pub layer: Option<String>,
    /// The method.
    pub method: Method,
}
