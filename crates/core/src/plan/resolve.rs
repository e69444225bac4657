//! From a plan file's words to indices, with every mistake named by line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use quorate_model::tensor::{DType, byte_len};
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::file::{FORMAT, PlanEntry, PlanError, PlanFile, ValueEntry, line_of};
use super::stage::add_stage;
use super::{Plan, Plans, Sharding, Value, WaitPolicy};
use crate::id::{DeviceSet, PlanId, StageId, ValueId};

const RANK_MAX: usize = 8;
const VALUE_BYTES_MAX: usize = 1 << 30;
const VALUES_MAX: usize = 10_000;
const PLANS_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 63;

/// Turns byte offsets into lines.
pub(super) struct Lines<'a>(&'a str);

impl Lines<'_> {
    pub(super) fn error<T, U>(
        &self,
        at: &Spanned<T>,
        message: impl Into<String>,
    ) -> Result<U, PlanError> {
        Err(PlanError { line: line_of(self.0, at.span().start), message: message.into() })
    }
}

pub(super) fn resolve(file: &PlanFile, text: &str) -> Result<Plans, PlanError> {
    let lines = Lines(text);
    if *file.format.get_ref() != FORMAT {
        let got = file.format.get_ref();
        return lines.error(&file.format, format!("format {got}, this program reads {FORMAT}"));
    }
    let sha = file.model_sha256.get_ref();
    if sha.len() != 64 || !sha.bytes().all(|b| b.is_ascii_hexdigit()) {
        return lines.error(&file.model_sha256, "model_sha256 is not 64 hexadecimal digits");
    }
    let Some(wait) = WaitPolicy::parse(file.wait.get_ref()) else {
        let got = file.wait.get_ref();
        return lines.error(&file.wait, format!("wait \"{got}\" is neither auto nor like 5ms"));
    };
    let tolerance = *file.tolerance.get_ref();
    if !(tolerance > 0.0 && tolerance < 1.0) {
        return lines.error(&file.tolerance, format!("tolerance {tolerance}, must be in (0, 1)"));
    }
    let devices = devices(file, &lines)?;
    let hosts = hosts(file, &devices, &lines)?;
    let values = values(file, &lines)?;
    if file.plans.is_empty() || file.plans.len() > PLANS_MAX {
        let got = file.plans.len();
        return lines.error(&file.format, format!("{got} plans, needs 1 to {PLANS_MAX}"));
    }
    let mut plans = Plans {
        model: file.model.clone(),
        model_sha256: sha.to_ascii_lowercase(),
        devices,
        hosts,
        values: Arc::new(values),
        plans: Vec::new(),
        wait,
        tolerance,
        fingerprints: BTreeMap::new(),
    };
    for (index, entry) in file.plans.iter().enumerate() {
        if file.plans[..index].iter().any(|p| p.name.get_ref() == entry.name.get_ref()) {
            let name = entry.name.get_ref();
            return lines.error(&entry.name, format!("second plan named {name}"));
        }
        let plan = plan(index, entry, &plans, &lines)?;
        cut_alike(&plan, entry, &plans, &lines)?;
        plans.plans.push(Arc::new(plan));
    }
    plans.identify();
    Ok(plans)
}

fn devices(file: &PlanFile, lines: &Lines<'_>) -> Result<Vec<String>, PlanError> {
    let listed = file.devices.get_ref();
    if listed.is_empty() || listed.len() > DeviceSet::MAX {
        let got = listed.len();
        return lines.error(&file.devices, format!("{got} devices, needs 1 to {}", DeviceSet::MAX));
    }
    let mut names = Vec::new();
    for device in listed {
        let name = device.get_ref();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if name.len() > NAME_BYTES_MAX || !starts || !name.chars().all(plain) {
            return lines.error(
                device,
                format!(
                    "device name \"{name}\": up to {NAME_BYTES_MAX} letters, digits, - _ and . \
                     beginning with a letter or digit"
                ),
            );
        }
        if name == crate::packing::GATEWAY_FOLDER {
            return lines.error(device, format!("device name {name} is taken by the gateway"));
        }
        if names.contains(name) {
            return lines.error(device, format!("device {name} is listed twice"));
        }
        names.push(name.clone());
    }
    Ok(names)
}

fn hosts(
    file: &PlanFile,
    devices: &[String],
    lines: &Lines<'_>,
) -> Result<BTreeMap<String, String>, PlanError> {
    let mut hosts = BTreeMap::new();
    for (device, address) in &file.hosts {
        let name = device.get_ref();
        if !devices.contains(name) {
            return lines.error(device, format!("host for {name}, which is no device"));
        }
        let text = address.get_ref();
        if !is_host_and_port(text) {
            return lines.error(address, format!("address \"{text}\" of {name} is not host:port"));
        }
        if let Some((other, _)) = hosts.iter().find(|(_, a)| *a == text) {
            return lines.error(address, format!("{name} and {other} share the address {text}"));
        }
        hosts.insert(name.clone(), text.clone());
    }
    match devices.iter().find(|name| !hosts.contains_key(*name)) {
        Some(name) => lines.error(&file.devices, format!("device {name} has no line in [hosts]")),
        None => Ok(hosts),
    }
}

/// `host:port` with a port from 1 and a host that is not empty.
pub fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(char::is_whitespace)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn values(file: &PlanFile, lines: &Lines<'_>) -> Result<Vec<Value>, PlanError> {
    if file.values.len() > VALUES_MAX {
        let got = file.values.len();
        return lines.error(&file.format, format!("{got} values, limit {VALUES_MAX}"));
    }
    let mut values: Vec<Value> = Vec::new();
    for entry in &file.values {
        let value = value(entry, lines)?;
        if values.iter().any(|v| v.name == value.name) {
            return lines.error(&entry.name, format!("second value named {}", value.name));
        }
        values.push(value);
    }
    Ok(values)
}

fn value(entry: &ValueEntry, lines: &Lines<'_>) -> Result<Value, PlanError> {
    let name = entry.name.get_ref();
    let word = entry.dtype.get_ref();
    let Some(dtype) = DType::from_word(word) else {
        return lines.error(&entry.dtype, format!("value {name} has unknown dtype \"{word}\""));
    };
    let shape = entry.shape.get_ref();
    let bytes = byte_len(dtype, shape).unwrap_or(usize::MAX);
    if shape.is_empty() || shape.len() > RANK_MAX || shape.contains(&0) || bytes > VALUE_BYTES_MAX {
        return lines.error(
            &entry.shape,
            format!(
                "value {name} of {dtype} {shape:?}: needs 1 to {RANK_MAX} dimensions, none of 0, \
                 and at most {VALUE_BYTES_MAX} bytes"
            ),
        );
    }
    let axis = *entry.axis.get_ref();
    if axis >= shape.len() {
        let rank = shape.len();
        return lines.error(&entry.axis, format!("axis {axis} of {name}, which has {rank}"));
    }
    Ok(Value { name: name.clone(), dtype, shape: shape.clone(), axis })
}

fn plan(
    index: usize,
    entry: &PlanEntry,
    plans: &Plans,
    lines: &Lines<'_>,
) -> Result<Plan, PlanError> {
    let everybody = plans.devices.len();
    let name = entry.name.get_ref().clone();
    let seats = match &entry.seats {
        None if index == 0 => everybody,
        None => return lines.error(&entry.name, format!("fallback plan {name} needs seats")),
        Some(seats) if index == 0 => {
            return lines.error(seats, "the main plan names devices and takes no seats");
        }
        Some(seats) if (1..=everybody).contains(seats.get_ref()) => *seats.get_ref(),
        Some(seats) => {
            let got = seats.get_ref();
            return lines.error(seats, format!("{got} seats, needs 1 to {everybody}"));
        }
    };
    let count = plans.values.len();
    let mut plan = Plan::new(&name, seats, count);
    // Every value that a stage of this plan makes; the others are inputs.
    let made: BTreeSet<&str> = entry.stages.iter().map(|s| s.value.get_ref().as_str()).collect();
    for stage in &entry.stages {
        add_stage(index, stage, &made, &mut plan, plans, lines)?;
    }
    for word in entry.result.get_ref() {
        let value = read(word, "result", &made, &mut plan, plans, lines)?;
        plan.result.push(value);
    }
    if plan.result.is_empty() {
        return lines.error(&entry.result, format!("plan {} has no result", plan.name));
    }
    for stage in &entry.stages {
        let value = plans.value(stage.value.get_ref()).expect("checked by add_stage");
        if plan.readers[value.index()].is_empty() && !plan.result.contains(&value) {
            let name = stage.value.get_ref();
            return lines.error(&stage.value, format!("nobody reads value {name}"));
        }
    }
    plan.find_needs(&plans.values);
    Ok(plan)
}

/// All plans of a file cut the model at the same values: so they share
/// weights, and a value has one number in frames.
fn cut_alike(
    plan: &Plan,
    entry: &PlanEntry,
    plans: &Plans,
    lines: &Lines<'_>,
) -> Result<(), PlanError> {
    let Some(main) = plans.plans.first() else { return Ok(()) };
    let values = |plan: &Plan| plan.stages.iter().map(|s| s.value).collect::<BTreeSet<_>>();
    match values(main).symmetric_difference(&values(plan)).next() {
        None => Ok(()),
        Some(value) => {
            let (name, main) = (&plans.values[value.index()].name, &main.name);
            let message =
                format!("value {name} is made in plan {main} or {} but not both", plan.name);
            lines.error(&entry.name, message)
        }
    }
}

/// A value that is read: an input, or made by a stage further up.
pub(super) fn read(
    word: &Spanned<String>,
    reader: &str,
    made: &BTreeSet<&str>,
    plan: &mut Plan,
    plans: &Plans,
    lines: &Lines<'_>,
) -> Result<ValueId, PlanError> {
    let name = word.get_ref();
    let Some(value) = plans.value(name) else {
        return lines.error(word, format!("{reader} reads value {name}, which is not listed"));
    };
    let sharding = &mut plan.shardings[value.index()];
    if sharding.is_none() {
        if made.contains(name.as_str()) {
            return lines
                .error(word, format!("{reader} reads value {name} before a stage makes it"));
        }
        *sharding = Some(Sharding::input(&plans.values[value.index()]));
    }
    Ok(value)
}

impl Plans {
    /// Computes fingerprints of everything packed, and the plans' identities
    /// from them.
    pub(super) fn identify(&mut self) {
        let mut prints = BTreeMap::new();
        prints.insert("model".to_owned(), self.model_sha256.clone());
        prints.insert("devices".to_owned(), fingerprint(&self.devices.join(" ")));
        for (index, value) in self.values.iter().enumerate() {
            let Value { name, dtype, shape, axis } = value;
            let text = format!("{index} {name} {dtype} {shape:?} {axis}");
            prints.insert(format!("value {}", value.name), fingerprint(&text));
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
                    "{} {} {:?} {:?} {:?} {} {:?} {} {:?}",
                    stage.name,
                    stage.method,
                    stage.reads,
                    stage.value,
                    sharding.division,
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
            let digest = Sha256::digest(text.as_bytes());
            let id = u64::from_be_bytes(digest[..8].try_into().expect("8 bytes"));
            Arc::make_mut(plan).id = PlanId(id);
        }
        self.fingerprints = prints;
    }
}

fn fingerprint(text: &str) -> String {
    Sha256::digest(text.as_bytes())[..8].iter().map(|b| format!("{b:02x}")).collect()
}
