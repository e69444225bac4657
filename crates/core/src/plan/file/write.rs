//! Writing a plan file.

use std::fmt::Write as _;

use quorate_model::division::facts::{Facts, ListWord};
use quorate_model::division::method::Method;
use quorate_model::division::{Codable, Lengths};
use quorate_model::region::Region;
use quorate_model::value::Value;

use super::entry::FORMAT;
use crate::audit::Verify;
use crate::id::{SeatId, StageId, ValueId};
use crate::plan::allocation::Plan;
use crate::plan::plans::Plans;
use crate::plan::protect::Protect;
use crate::plan::sharding::Sharding;

impl Plans {
    /// The file that [`Plans::parse`] reads back as this.
    pub fn to_toml(&self) -> String {
        let mut out = String::from(HEADER);
        let _ = writeln!(out, "format = {FORMAT}");
        let _ = writeln!(out, "model = {}", quote(&self.model));
        let _ = writeln!(out, "model_sha256 = {}", quote(&self.model_sha256));
        let _ = writeln!(out, "{WAIT_COMMENT}\nwait = {}", quote(&self.wait.to_string()));
        let _ = writeln!(out, "{TOLERANCE_COMMENT}\ntolerance = {:e}", self.tolerance);
        if self.verify != Verify::Off {
            let _ = writeln!(out, "{VERIFY_COMMENT}\nverify = {}", quote(&self.verify.to_string()));
        }
        if self.protect != Protect::Always {
            let _ =
                writeln!(out, "{PROTECT_COMMENT}\nprotect = {}", quote(&self.protect.to_string()));
        }
        let devices = self.cluster.devices();
        let names: Vec<String> = devices.iter().map(|device| quote(&device.name)).collect();
        let _ = writeln!(out, "devices = [{}]", names.join(", "));
        let _ = writeln!(out, "\n{HOSTS_COMMENT}\n[hosts]");
        for device in devices {
            let _ = writeln!(out, "{} = {}", quote(&device.name), quote(&device.address));
        }
        let _ = writeln!(out, "\n{VALUES_COMMENT}");
        for (index, value) in self.values.iter().enumerate() {
            let wire = self.wires.get(&ValueId(index as u16));
            let wire = wire.map_or_else(String::new, |wire| format!("wire = \"{wire}\"\n"));
            let _ = writeln!(
                out,
                "[[value]]\nname = {}\ndtype = \"{}\"\nshape = {:?}\naxis = {}\n{wire}",
                quote(&value.name),
                value.dtype,
                value.shape,
                value.axis
            );
        }
        self.plans.iter().enumerate().for_each(|(i, plan)| self.write_plan(i, plan, &mut out));
        out
    }

    fn write_plan(&self, index: usize, plan: &Plan, out: &mut String) {
        match index {
            0 => out.push_str(&main_comment()),
            1 => {
                let _ = writeln!(out, "{FALLBACK_COMMENT}");
            }
            _ => {}
        }
        let _ = writeln!(out, "[[plan]]\nname = {}", quote(&plan.name));
        if index > 0 {
            let _ = writeln!(out, "seats = {}", plan.seats);
        }
        let values = |ids: &[ValueId]| {
            let names = ids.iter().map(|v| quote(&self.values[v.index()].name));
            names.collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(out, "result = [{}]\n", values(&plan.result));
        for (stage, id) in plan.stages.iter().zip(0..) {
            let sharding = plan.stage_sharding(StageId(id));
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
        match sharding.division.lengths() {
            Some((word, Lengths::List(list))) => drop(writeln!(out, "{word} = {list:?}")),
            Some((word, Lengths::Lists(lists))) => drop(writeln!(out, "{word} = {lists:?}")),
            None => {}
        }
        if sharding.wire != value.dtype {
            let _ = writeln!(out, "wire = \"{}\"", sharding.wire);
        }
        let n = sharding.code.data_shards();
        let seats = |range: &[SeatId]| {
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
const PROTECT_COMMENT: &str =
    "# Nothing is done twice: a request that meets a loss moves to the plan for those left.";
const VERIFY_COMMENT: &str = "\
# Shards are held against each other: \"detect\" after the answer, \"correct\"
# before it.";
const HOSTS_COMMENT: &str = "\
# Where each device listens. May change at any time, also in the packed bundle.";
const VALUES_COMMENT: &str = "\
# Values that travel: inputs of the model, and what each stage makes. Rows lie
# along `axis`.
";
const FALLBACK_COMMENT: &str = "\
# Plans for fewer devices: seat-1 is the first device, in the order above, of
# those that are left, and so on.";

/// What the main plan is, with every method's words.
fn main_comment() -> String {
    let mut groups: Vec<(Option<ListWord>, Codable, Vec<&str>)> = Vec::new();
    for method in Method::every() {
        let Facts { name, list, codable, .. } = *method.facts();
        match groups.iter_mut().find(|(l, c, _)| (*l, *c) == (list, codable)) {
            Some((_, _, words)) => words.push(name),
            None => groups.push((list, codable, vec![name])),
        }
    }
    groups.sort_by_key(|(list, codable, _)| (list.is_none(), *codable == Codable::No));
    let mut out = String::from(MAIN_COMMENT);
    for (list, codable, words) in groups {
        let codes = if codable == Codable::No { "replicas only" } else { "any code" };
        let numbers = match list {
            Some(ListWord { key, meaning }) => format!("{key} = {meaning}"),
            None => "not divided".to_owned(),
        };
        let _ = writeln!(out, "#   {:15}  {numbers}; {codes}", words.join(", "));
    }
    out + MAIN_FIELDS
}

const MAIN_COMMENT: &str = "\
# The main plan. A stage makes one value from others; all nodes of the model
# between belong to it. `method` says how it is divided:
";
const MAIN_FIELDS: &str = "\
# `data` are the devices of the data shards, `parity` those of the code's
# parity; `replicas` in place of parity have copies of the data shards in turn.
# `wire = \"f16\"` sends a value as f16. `parts` are what the data shards read of
# their input, a range of each dimension; without it they are sent all.
";
