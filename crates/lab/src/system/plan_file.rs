//! The form of a plan file.

use std::collections::BTreeMap;

use quorate_model::value::Value;
use serde::Serialize;

/// A plan file, of which this writes no more than a system needs.
#[derive(Serialize)]
pub(super) struct PlanFile<'a> {
    pub(super) format: u32,
    pub(super) model: &'a str,
    pub(super) model_sha256: &'a str,
    pub(super) wait: &'static str,
    pub(super) tolerance: f64,
    pub(super) devices: Vec<String>,
    pub(super) hosts: BTreeMap<String, String>,
    pub(super) value: Vec<ValueEntry<'a>>,
    pub(super) plan: Vec<PlanEntry<'a>>,
}

#[derive(Serialize)]
pub(super) struct ValueEntry<'a> {
    pub(super) name: &'a str,
    pub(super) dtype: String,
    pub(super) shape: &'a [usize],
    pub(super) axis: usize,
}

impl<'a> ValueEntry<'a> {
    pub(super) fn new(value: &'a Value) -> ValueEntry<'a> {
        let dtype = value.dtype.to_string();
        ValueEntry { name: &value.name, dtype, shape: &value.shape, axis: value.axis }
    }
}

#[derive(Serialize)]
pub(super) struct PlanEntry<'a> {
    pub(super) name: &'static str,
    pub(super) result: Vec<&'a str>,
    pub(super) stage: Vec<StageEntry<'a>>,
}

#[derive(Serialize)]
pub(super) struct StageEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) layer: Option<&'a String>,
    pub(super) method: String,
    pub(super) reads: Vec<&'a str>,
    pub(super) value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rows: Option<Vec<usize>>,
    pub(super) code: &'static str,
    pub(super) data: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parity: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) replicas: Vec<String>,
}
