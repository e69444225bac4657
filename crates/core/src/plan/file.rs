//! The plan file: TOML, made by the planner, edited by hand.
//!
//! Reading goes in two steps: the form (this module, errors with the line of
//! the parser) and the meaning (`resolve`, errors with the line of the field
//! that is at fault).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use quorate_model::method::Method;
use quorate_model::need::Region;
use serde::Deserialize;
use toml::Spanned;

use super::{Division, Plans, Sharding, Value};

/// Version of the file's form.
pub const FORMAT: u32 = 2;
/// Longest plan file that is read.
pub const BYTES_MAX: usize = 16 << 20;

/// Why a plan file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plan line {line}: {message}")]
pub struct PlanError {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong: what, got, limit.
    pub message: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanFile {
    pub format: Spanned<u32>,
    pub model: String,
    pub model_sha256: Spanned<String>,
    pub wait: Spanned<String>,
    pub tolerance: Spanned<f64>,
    pub devices: Spanned<Vec<Spanned<String>>>,
    pub hosts: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(rename = "value")]
    pub values: Vec<ValueEntry>,
    #[serde(rename = "plan")]
    pub plans: Vec<PlanEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValueEntry {
    pub name: Spanned<String>,
    pub dtype: Spanned<String>,
    pub shape: Spanned<Vec<usize>>,
    pub axis: Spanned<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanEntry {
    pub name: Spanned<String>,
    pub seats: Option<Spanned<usize>>,
    pub result: Spanned<Vec<Spanned<String>>>,
    #[serde(rename = "stage")]
    pub stages: Vec<StageEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StageEntry {
    pub layer: Option<Spanned<String>>,
    pub method: Spanned<String>,
    pub reads: Vec<Spanned<String>>,
    pub value: Spanned<String>,
    pub rows: Option<Spanned<Vec<usize>>>,
    pub columns: Option<Spanned<Vec<usize>>>,
    pub tiles: Option<Spanned<Vec<Vec<usize>>>>,
    pub parts: Option<Spanned<Vec<Vec<[usize; 2]>>>>,
    pub wire: Option<Spanned<String>>,
    pub code: Option<Spanned<String>>,
    pub data: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub parity: Vec<Spanned<String>>,
    #[serde(default)]
    pub replicas: Vec<Spanned<String>>,
}

impl StageEntry {
    /// The layer's name, or the value's where no layer is named.
    pub fn name(&self) -> &Spanned<String> {
        self.layer.as_ref().unwrap_or(&self.value)
    }
}

impl Plans {
    /// Reads and checks a plan file.
    pub fn parse(text: &str) -> Result<Plans, PlanError> {
        if text.len() > BYTES_MAX {
            let message = format!("file has {} bytes, limit {BYTES_MAX}", text.len());
            return Err(PlanError { line: 1, message });
        }
        let file: PlanFile = toml::from_str(text).map_err(|error| PlanError {
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            message: error.message().replace('\n', ", "),
        })?;
        super::resolve::resolve(&file, text)
    }

    /// The file that [`Plans::parse`] reads back as this.
    pub fn to_toml(&self) -> String {
        let mut out = String::from(HEADER);
        let quoted =
            |names: &mut dyn Iterator<Item = &str>| names.map(quote).collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "format = {FORMAT}");
        let _ = writeln!(out, "model = {}", quote(&self.model));
        let _ = writeln!(out, "model_sha256 = {}", quote(&self.model_sha256));
        let _ = writeln!(out, "{WAIT_COMMENT}\nwait = {}", quote(&self.wait.to_string()));
        let _ = writeln!(out, "{TOLERANCE_COMMENT}\ntolerance = {:e}", self.tolerance);
        let devices = quoted(&mut self.devices.iter().map(String::as_str));
        let _ = writeln!(out, "devices = [{devices}]");
        let _ = writeln!(out, "\n{HOSTS_COMMENT}\n[hosts]");
        for device in &self.devices {
            let _ = writeln!(out, "{} = {}", quote(device), quote(&self.hosts[device]));
        }
        let _ = writeln!(out, "\n{VALUES_COMMENT}");
        for value in self.values.iter() {
            let _ = writeln!(
                out,
                "[[value]]\nname = {}\ndtype = \"{}\"\nshape = {:?}\naxis = {}\n",
                quote(&value.name),
                value.dtype,
                value.shape,
                value.axis
            );
        }
        self.plans.iter().enumerate().for_each(|(i, plan)| self.write_plan(i, plan, &mut out));
        out
    }

    fn write_plan(&self, index: usize, plan: &super::Plan, out: &mut String) {
        let comment = if index == 0 { MAIN_COMMENT } else { FALLBACK_COMMENT };
        if index < 2 {
            let _ = writeln!(out, "{comment}");
        }
        let _ = writeln!(out, "[[plan]]\nname = {}", quote(&plan.name));
        if index > 0 {
            let _ = writeln!(out, "seats = {}", plan.seats);
        }
        let values = |ids: &[crate::id::ValueId]| {
            let names = ids.iter().map(|v| quote(&self.values[v.index()].name));
            names.collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(out, "result = [{}]\n", values(&plan.result));
        for (stage, id) in plan.stages.iter().zip(0..) {
            let sharding = plan.stage_sharding(crate::id::StageId(id));
            let value = &self.values[stage.value.index()];
            if stage.method != Method::Whole || stage.name != value.name {
                let _ = writeln!(out, "[[plan.stage]]\nlayer = {}", quote(&stage.name));
            } else {
                out.push_str("[[plan.stage]]\n");
            }
            let _ = writeln!(out, "method = \"{}\"", stage.method);
            let _ = writeln!(out, "reads = [{}]", values(&stage.reads));
            let _ = writeln!(out, "value = {}", values(&[stage.value]));
            if !stage.parts.is_empty() {
                let part = |part: &Region| -> Vec<[usize; 2]> {
                    part.iter().map(|range| [range.start, range.end]).collect()
                };
                let parts: Vec<_> = stage.parts.iter().map(part).collect();
                let _ = writeln!(out, "parts = {parts:?}");
            }
            self.write_sharding(index, value, sharding, out);
            out.push('\n');
        }
    }

    fn write_sharding(&self, plan: usize, value: &Value, sharding: &Sharding, out: &mut String) {
        let lengths = |ranges: &[std::ops::Range<usize>]| -> Vec<usize> {
            ranges.iter().map(ExactSizeIterator::len).collect()
        };
        let _ = match &sharding.division {
            Division::Whole => Ok(()),
            Division::Rows(rows) => writeln!(out, "rows = {:?}", lengths(rows)),
            Division::Terms(columns) => writeln!(out, "columns = {:?}", lengths(columns)),
            Division::Tiles(tiles) => writeln!(out, "tiles = {:?}", tiles.lengths),
        };
        if sharding.wire != value.dtype {
            let _ = writeln!(out, "wire = \"{}\"", sharding.wire);
        }
        let n = sharding.code.data_shards();
        let seats = |range: &[crate::id::SeatId]| {
            let names = range.iter().map(|seat| quote(&self.seat_name(plan, seat.index())));
            names.collect::<Vec<_>>().join(", ")
        };
        if n > 1 || sharding.code.parity_shards() > 0 {
            let _ = writeln!(out, "code = \"{}\"", sharding.code.name());
        }
        let _ = writeln!(out, "data = [{}]", seats(&sharding.seats[..n]));
        if sharding.seats.len() > n {
            let word = if sharding.is_replicated() { "replicas" } else { "parity" };
            let _ = writeln!(out, "{word} = [{}]", seats(&sharding.seats[n..]));
        }
    }

    pub(super) fn seat_name(&self, plan: usize, seat: usize) -> String {
        if plan == 0 { self.devices[seat].clone() } else { format!("seat-{}", seat + 1) }
    }
}

impl std::fmt::Display for super::WaitPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            super::WaitPolicy::Auto => f.write_str("auto"),
            super::WaitPolicy::Fixed(span) if span.subsec_micros() % 1000 == 0 => {
                write!(f, "{}ms", span.as_millis())
            }
            super::WaitPolicy::Fixed(span) => write!(f, "{}us", span.as_micros()),
        }
    }
}

/// Line of a byte offset, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count() + 1
}

fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

const HEADER: &str = "\
# Which device computes which shard of which layer. Edit it as you like: it is
# checked when it is read. After any change but [hosts], wait and tolerance,
# pack again.
";
const WAIT_COMMENT: &str = "\
# How long a device waits for the shards everybody was asked to use before it
# takes any sufficient set: \"auto\", or a time such as \"5ms\".";
const TOLERANCE_COMMENT: &str = "\
# Relative error below which an answer is right.";
const HOSTS_COMMENT: &str = "\
# Where each device listens. May change at any time, also in the packed bundle.";
const VALUES_COMMENT: &str = "\
# Values that travel: inputs of the model, and what each stage makes. Rows lie
# along `axis`.
";
const MAIN_COMMENT: &str = "\
# The main plan. A stage makes one value from others; all nodes of the model
# between belong to it. `method` says how it is divided:
#   output, channel  rows = lengths along the value's axis; any code
#   spatial          tiles = lengths along each spatial dimension; any code
#   input, filter    columns = lengths along the layer's input; replicas only
#   whole            not divided; replicas only
# `data` are the devices of the data shards, `parity` those of the code's
# parity; `replicas` in place of parity have copies of the data shards in turn.
# `wire = \"f16\"` sends a value as f16. `parts` are what the data shards read of
# their input, a range of each dimension; without it they are sent all.";
const FALLBACK_COMMENT: &str = "\
# Plans for fewer devices: seat-1 is the first device, in the order above, of
# those that are left, and so on.";
