//! What a plan is known by: hashes of everything that packing depends on.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use quorate_model::value::Value;

use super::plans::Plans;
use crate::audit::Verify;
use crate::hash::sha256_hex;
use crate::id::{PlanId, StageId, ValueId};

impl Plans {
    /// Computes fingerprints of everything packed, and the plans' identities
    /// from them.
    pub(super) fn identify(&mut self) {
        let mut prints = BTreeMap::new();
        prints.insert("model".to_owned(), self.model_sha256.clone());
        let names: Vec<&str> = self.cluster.devices().iter().map(|d| d.name.as_str()).collect();
        prints.insert("devices".to_owned(), fingerprint(&names.join(" ")));
        for (index, value) in self.values.iter().enumerate() {
            let Value { name, dtype, shape, axis } = value;
            let mut text = format!("{index} {name} {dtype} {shape:?} {axis}");
            if let Some(wire) = self.wires.get(&ValueId(index as u16)) {
                let _ = write!(text, " {wire}");
            }
            prints.insert(format!("value {}", value.name), fingerprint(&text));
        }
        // What is sent of values depends on it.
        if self.verify != Verify::Off {
            prints.insert("verify".to_owned(), fingerprint("whole values"));
        }
        let base: String = prints.iter().map(|(name, print)| format!("{name}={print};")).collect();
        for (index, plan) in self.plans.iter_mut().enumerate() {
            let mut text = format!("{base}{index} {} {:?}", plan.seats, plan.result);
            let name = &plan.name;
            prints.insert(format!("plan {name}"), fingerprint(&text[base.len()..]));
            for (stage, id) in plan.stages.iter().zip(0..) {
                let sharding = plan.stage_sharding(StageId(id));
                let n = sharding.code.data_shards();
                let mut line = format!(
                    "{} {} {:?} {:?} {} {} {:?} {} {:?}",
                    stage.name,
                    stage.method,
                    stage.reads,
                    stage.value,
                    sharding.division.identity(),
                    sharding.code.name(),
                    &sharding.seats[..n],
                    sharding.wire,
                    stage.parts,
                );
                for (parity, seat) in sharding.seats[n..].iter().enumerate() {
                    let _ = write!(line, " {seat:?} {:?}", sharding.code.generator_row(parity));
                }
                prints.insert(format!("plan {name}, layer {}", stage.name), fingerprint(&line));
                text.push_str(&line);
            }
            let id = u64::from_str_radix(&fingerprint(&text), 16).expect("16 hexadecimal digits");
            Arc::make_mut(plan).id = PlanId(id);
        }
        self.fingerprints = prints;
    }
}

fn fingerprint(text: &str) -> String {
    sha256_hex(text.as_bytes())[..16].to_owned()
}
