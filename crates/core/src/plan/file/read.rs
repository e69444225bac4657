//! From a plan file's words to a draft, and from a place in the draft back to
//! the file.

use std::collections::BTreeMap;

use quorate_model::division::method::Method;
use quorate_model::region::Region;
use quorate_model::tensor::DType;
use quorate_model::value::Value;
use toml::Spanned;

use super::entry::{FORMAT, PlanEntry, PlanFile, StageEntry, ValueEntry};
use crate::audit::Verify;
use crate::cluster::{Device, check_names};
use crate::plan::build::{At, StageAt};
use crate::plan::draft::{Draft, PlanDraft, StageDraft};
use crate::plan::plans::read_fallback_seat;
use crate::plan::protect::Protect;
use crate::plan::wait::WaitPolicy;

/// A mistake, and the byte at which it is.
#[derive(Debug)]
pub(super) struct Mistake {
    pub offset: usize,
    pub message: String,
}

fn mistake<T, U>(at: &Spanned<T>, message: impl Into<String>) -> Result<U, Mistake> {
    Err(Mistake { offset: at.span().start, message: message.into() })
}

/// What the file says.
pub(super) fn draft(file: &PlanFile) -> Result<Draft, Mistake> {
    if *file.format.get_ref() != FORMAT {
        let got = file.format.get_ref();
        return mistake(&file.format, format!("format {got}, this program reads {FORMAT}"));
    }
    let Some(wait) = WaitPolicy::parse(file.wait.get_ref()) else {
        let got = file.wait.get_ref();
        return mistake(&file.wait, format!("wait \"{got}\" is neither auto nor like 5ms"));
    };
    let verify = match &file.verify {
        None => Verify::Off,
        Some(word) => match word.get_ref().parse() {
            Ok(verify) => verify,
            Err(error) => return mistake(word, format!("verify {error}")),
        },
    };
    let protect = match &file.protect {
        None => Protect::Always,
        Some(word) => match word.get_ref().parse() {
            Ok(protect) => protect,
            Err(error) => return mistake(word, format!("protect {error}")),
        },
    };
    let devices = devices(file)?;
    let values = file.values.iter().map(value).collect::<Result<_, _>>()?;
    let read = |(index, entry): (usize, &PlanEntry)| plan(index, entry, &devices);
    let plans = file.plans.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    Ok(Draft {
        model: file.model.clone(),
        model_sha256: file.model_sha256.get_ref().clone(),
        devices,
        values,
        wires: file.values.iter().filter_map(wire).collect(),
        plans,
        wait,
        tolerance: *file.tolerance.get_ref(),
        verify,
        protect,
    })
}

fn devices(file: &PlanFile) -> Result<Vec<Device>, Mistake> {
    let names: Vec<&str> = file.devices.get_ref().iter().map(|d| d.get_ref().as_str()).collect();
    // Before the addresses, which are found by these names.
    check_names(&names).map_err(|wrong| Mistake {
        offset: offset(file, &wrong.part().into()),
        message: wrong.to_string(),
    })?;
    for device in file.hosts.keys() {
        let name = device.get_ref();
        if !names.contains(&name.as_str()) {
            return mistake(device, format!("host for {name}, which is no device"));
        }
    }
    let device = |name: &&str| {
        let host = file.hosts.iter().find(|(device, _)| device.get_ref() == *name);
        let Some((_, address)) = host else {
            return mistake(&file.devices, format!("device {name} has no line in [hosts]"));
        };
        let (name, address) = ((*name).to_owned(), address.get_ref().clone());
        Ok(Device { name, address, profile: None })
    };
    names.iter().map(device).collect()
}

fn value(entry: &ValueEntry) -> Result<Value, Mistake> {
    let (name, word) = (entry.name.get_ref(), entry.dtype.get_ref());
    let Some(dtype) = DType::from_word(word) else {
        return mistake(&entry.dtype, format!("value {name} has unknown dtype \"{word}\""));
    };
    let (shape, axis) = (entry.shape.get_ref().clone(), *entry.axis.get_ref());
    Ok(Value { name: name.clone(), dtype, shape, axis })
}

/// What a value travels as, where the file says it.
fn wire(entry: &ValueEntry) -> Option<(String, String)> {
    let word = entry.wire.as_ref()?;
    Some((entry.name.get_ref().clone(), word.get_ref().clone()))
}

fn plan(index: usize, entry: &PlanEntry, devices: &[Device]) -> Result<PlanDraft, Mistake> {
    let name = entry.name.get_ref().clone();
    let seats = match &entry.seats {
        None if index == 0 => devices.len(),
        None => return mistake(&entry.name, format!("fallback plan {name} needs seats")),
        Some(seats) if index == 0 => {
            return mistake(seats, "the main plan names devices and takes no seats");
        }
        Some(seats) => *seats.get_ref(),
    };
    let of_device = |name: &str| devices.iter().position(|device| device.name == name);
    let read = |entry: &StageEntry| match index {
        0 => stage(entry, "device", &of_device),
        _ => stage(entry, "seat", &read_fallback_seat),
    };
    let stages = entry.stages.iter().map(read).collect::<Result<_, _>>()?;
    let result = entry.result.get_ref().iter().map(|word| word.get_ref().clone()).collect();
    Ok(PlanDraft { name, seats, stages, result })
}

/// One stage. `find` gives the seat of a name; `kind` is what a seat is called
/// in messages.
fn stage(
    entry: &StageEntry,
    kind: &str,
    find: &dyn Fn(&str) -> Option<usize>,
) -> Result<StageDraft, Mistake> {
    let (layer, word) = (entry.name().get_ref(), entry.method.get_ref());
    let Ok(method) = word.parse::<Method>() else {
        return mistake(&entry.method, format!("layer {layer}: unknown method \"{word}\""));
    };
    let seat = |word: &Spanned<String>| {
        let name = word.get_ref();
        match find(name) {
            Some(seat) => Ok(seat),
            None => mistake(word, format!("layer {layer}: unknown {kind} {name}")),
        }
    };
    let seats = |words: &[Spanned<String>]| words.iter().map(seat).collect::<Result<Vec<_>, _>>();
    let text = |word: &Spanned<String>| word.get_ref().clone();
    let region = |part: &Vec<[usize; 2]>| -> Region { part.iter().map(|[a, b]| *a..*b).collect() };
    let lengths = entry.lengths.iter().map(|(word, l)| (word.clone(), l.get_ref().0.clone()));
    Ok(StageDraft {
        layer: entry.layer.as_ref().map(text),
        method,
        lengths: lengths.collect::<BTreeMap<_, _>>(),
        reads: entry.reads.iter().map(text).collect(),
        value: text(&entry.value),
        parts: entry.parts.as_ref().map(|parts| parts.get_ref().iter().map(region).collect()),
        wire: entry.wire.as_ref().map(text),
        code: entry.code.as_ref().map(text),
        data: seats(entry.data.get_ref())?,
        parity: seats(&entry.parity)?,
        replicas: seats(&entry.replicas)?,
    })
}

/// Where in the file the place `at` of its draft is.
pub(super) fn offset(file: &PlanFile, at: &At) -> usize {
    match at {
        At::Draft => file.format.span().start,
        At::ModelSha256 => file.model_sha256.span().start,
        At::Tolerance => file.tolerance.span().start,
        At::Devices => file.devices.span().start,
        At::Device(index) => file.devices.get_ref()[*index].span().start,
        At::Address(index) => {
            let name = file.devices.get_ref()[*index].get_ref();
            let host = file.hosts.iter().find(|(device, _)| device.get_ref() == name);
            host.map_or(0, |(_, address)| address.span().start)
        }
        At::ValueName(index) => file.values[*index].name.span().start,
        At::ValueShape(index) => file.values[*index].shape.span().start,
        At::ValueAxis(index) => file.values[*index].axis.span().start,
        At::ValueWire(index) => {
            let ValueEntry { name, wire, .. } = &file.values[*index];
            wire.as_ref().map_or(name.span().start, |wire| wire.span().start)
        }
        At::PlanName(plan) => file.plans[*plan].name.span().start,
        At::PlanSeats(plan) => {
            let PlanEntry { name, seats, .. } = &file.plans[*plan];
            seats.as_ref().map_or(name.span().start, |seats| seats.span().start)
        }
        At::PlanResult(plan) => file.plans[*plan].result.span().start,
        At::PlanResultValue(plan, value) => file.plans[*plan].result.get_ref()[*value].span().start,
        At::Stage(plan, stage, at) => stage_offset(&file.plans[*plan].stages[*stage], at),
    }
}

fn stage_offset(entry: &StageEntry, at: &StageAt) -> usize {
    let span = match at {
        StageAt::Name => Some(entry.name().span()),
        StageAt::Method => Some(entry.method.span()),
        StageAt::Read(index) => Some(entry.reads[*index].span()),
        StageAt::Value => Some(entry.value.span()),
        StageAt::Lengths(word) => entry.lengths.get(word).map(Spanned::span),
        StageAt::Parts => entry.parts.as_ref().map(Spanned::span),
        StageAt::Wire => entry.wire.as_ref().map(Spanned::span),
        StageAt::Code => entry.code.as_ref().map(Spanned::span),
        StageAt::Data => Some(entry.data.span()),
        StageAt::Seat(index) => {
            let mut seats = entry.data.get_ref().iter().chain(&entry.parity).chain(&entry.replicas);
            seats.nth(*index).map(Spanned::span)
        }
    };
    span.unwrap_or_else(|| entry.method.span()).start
}
