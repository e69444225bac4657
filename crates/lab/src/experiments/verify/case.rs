//! What is tried.

use serde::Deserialize;

/// A model over devices.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) title: String,
    /// LeNet-5 with its digits, or one of the zoo with seeded inputs.
    pub(super) model: String,
    pub(super) data: usize,
    pub(super) parity: usize,
    /// Do values travel as f16?
    #[serde(default)]
    pub(super) f16: bool,
}
