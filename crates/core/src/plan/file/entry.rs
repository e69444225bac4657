//! The form of a plan file: its tables and keys.

use std::collections::BTreeMap;
use std::fmt;

use quorate_model::division::method::Method;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use toml::Spanned;

use super::lengths::LengthsEntry;

/// Version of the file's form.
pub(super) const FORMAT: u32 = 2;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanFile {
    pub format: Spanned<u32>,
    pub model: String,
    pub model_sha256: Spanned<String>,
    pub wait: Spanned<String>,
    pub tolerance: Spanned<f64>,
    pub verify: Option<Spanned<String>>,
    pub protect: Option<Spanned<String>>,
    pub devices: Spanned<Vec<Spanned<String>>>,
    pub hosts: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(rename = "value")]
    pub values: Vec<ValueEntry>,
    #[serde(rename = "plan")]
    pub plans: Vec<PlanEntry>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValueEntry {
    pub name: Spanned<String>,
    pub dtype: Spanned<String>,
    pub shape: Spanned<Vec<usize>>,
    pub axis: Spanned<usize>,
    pub wire: Option<Spanned<String>>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanEntry {
    pub name: Spanned<String>,
    pub seats: Option<Spanned<usize>>,
    pub result: Spanned<Vec<Spanned<String>>>,
    #[serde(rename = "stage")]
    pub stages: Vec<StageEntry>,
}

/// A stage. Which further keys it has, methods say.
#[derive(Debug)]
pub(super) struct StageEntry {
    pub layer: Option<Spanned<String>>,
    pub method: Spanned<String>,
    pub reads: Vec<Spanned<String>>,
    pub value: Spanned<String>,
    /// By the words of the methods.
    pub lengths: BTreeMap<String, Spanned<LengthsEntry>>,
    pub parts: Option<Spanned<Vec<Vec<[usize; 2]>>>>,
    pub wire: Option<Spanned<String>>,
    pub code: Option<Spanned<String>>,
    pub data: Spanned<Vec<Spanned<String>>>,
    pub parity: Vec<Spanned<String>>,
    pub replicas: Vec<Spanned<String>>,
}

impl StageEntry {
    /// The layer's name, or the value's where no layer is named.
    pub(super) fn name(&self) -> &Spanned<String> {
        self.layer.as_ref().unwrap_or(&self.value)
    }
}

const KEYS: &[&str] =
    &["layer", "method", "reads", "value", "parts", "wire", "code", "data", "parity", "replicas"];

/// A key of a stage: one of [`KEYS`], or a method's word.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Key, D::Error> {
        let key = String::deserialize(from)?;
        let mut known = KEYS.to_vec();
        for list in Method::every().filter_map(|method| method.facts().list) {
            if !known.contains(&list.key) {
                known.push(list.key);
            }
        }
        if known.contains(&key.as_str()) {
            return Ok(Key(key));
        }
        let known = known.join("`, `");
        Err(D::Error::custom(format!("unknown field `{key}`, expected one of `{known}`")))
    }
}

impl<'de> Deserialize<'de> for StageEntry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<StageEntry, D::Error> {
        from.deserialize_map(StageVisitor)
    }
}

struct StageVisitor;

impl<'de> Visitor<'de> for StageVisitor {
    type Value = StageEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stage")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StageEntry, A::Error> {
        let (mut layer, mut method, mut reads, mut value) = (None, None, None, None);
        let (mut parts, mut wire, mut code, mut data) = (None, None, None, None);
        let (mut parity, mut replicas) = (Vec::new(), Vec::new());
        let mut lengths = BTreeMap::new();
        while let Some(Key(key)) = map.next_key()? {
            match key.as_str() {
                "layer" => layer = Some(map.next_value()?),
                "method" => method = Some(map.next_value()?),
                "reads" => reads = Some(map.next_value()?),
                "value" => value = Some(map.next_value()?),
                "parts" => parts = Some(map.next_value()?),
                "wire" => wire = Some(map.next_value()?),
                "code" => code = Some(map.next_value()?),
                "data" => data = Some(map.next_value()?),
                "parity" => parity = map.next_value()?,
                "replicas" => replicas = map.next_value()?,
                _ => {
                    lengths.insert(key, map.next_value()?);
                }
            }
        }
        Ok(StageEntry {
            layer,
            method: method.ok_or_else(|| A::Error::missing_field("method"))?,
            reads: reads.ok_or_else(|| A::Error::missing_field("reads"))?,
            value: value.ok_or_else(|| A::Error::missing_field("value"))?,
            lengths,
            parts,
            wire,
            code,
            data: data.ok_or_else(|| A::Error::missing_field("data"))?,
            parity,
            replicas,
        })
    }
}
