//! The plan file: TOML, made by the planner, edited by hand.
//!
//! Reading goes in two steps: the form (this module, errors with the line of
//! the parser) and the meaning (`resolve`, errors with the line of the field
//! that is at fault).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use toml::Spanned;

use super::Plans;

/// Version of the file's form.
pub const FORMAT: u32 = 1;
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
    #[serde(default)]
    pub glue: Vec<Spanned<String>>,
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
    pub layer: Spanned<String>,
    pub method: Spanned<String>,
    pub reads: Vec<Spanned<String>>,
    pub value: Spanned<String>,
    pub rows: Spanned<Vec<usize>>,
    pub code: Spanned<String>,
    pub data: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub parity: Vec<Spanned<String>>,
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
        if !self.glue.is_empty() {
            let layers = quoted(&mut self.glue.iter().map(String::as_str));
            let _ = writeln!(out, "{GLUE_COMMENT}\nglue = [{layers}]");
        }
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
            let n = sharding.code.data_shards();
            let seats = |range: &[crate::id::SeatId]| {
                let names = range.iter().map(|seat| quote(&self.seat_name(index, seat.index())));
                names.collect::<Vec<_>>().join(", ")
            };
            let rows: Vec<usize> = sharding.rows.iter().map(|r| r.len()).collect();
            let _ = writeln!(out, "[[plan.stage]]\nlayer = {}", quote(&stage.layer));
            let _ = writeln!(out, "method = \"{}\"", stage.method);
            let _ = writeln!(out, "reads = [{}]", values(&stage.reads));
            let _ = writeln!(out, "value = {}", values(&[stage.value]));
            let _ = writeln!(out, "rows = {rows:?}\ncode = \"{}\"", sharding.code.name());
            let _ = writeln!(out, "data = [{}]", seats(&sharding.seats[..n]));
            if sharding.seats.len() > n {
                let _ = writeln!(out, "parity = [{}]", seats(&sharding.seats[n..]));
            }
            out.push('\n');
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
const GLUE_COMMENT: &str = "\
# Layers that are not split: whoever reads what they make computes them, whole.";
const HOSTS_COMMENT: &str = "\
# Where each device listens. May change at any time, also in the packed bundle.";
const VALUES_COMMENT: &str = "\
# Values that travel: inputs of the model, and what each layer makes, before
# its activation. `axis` is the one that shards divide.
";
const MAIN_COMMENT: &str = "\
# The main plan. A stage is a layer, split: `rows` of its output a data shard,
# the shards' devices under `data`, those of the code's parity under `parity`.";
const FALLBACK_COMMENT: &str = "\
# Plans for fewer devices: seat-1 is the first device, in the order above, of
# those that are left, and so on.";
