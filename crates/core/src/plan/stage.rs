//! From a stage's words to its division, code and seats.

use std::collections::BTreeSet;
use std::ops::Range;

use quorate_code::Code;
use quorate_model::method::{Codable, Method};
use quorate_model::need::Region;
use quorate_model::tensor::DType;
use toml::Spanned;

use super::file::{PlanError, StageEntry};
use super::resolve::{Lines, read};
use super::{Division, Plan, Plans, REPLICATION, Sharding, Stage, Tiles, Value};
use crate::id::{SeatId, StageId, ValueId};

/// Adds the stage of `entry` to `plan`, the file's `index`-th.
pub(super) fn add_stage(
    index: usize,
    entry: &StageEntry,
    made: &BTreeSet<&str>,
    plan: &mut Plan,
    plans: &Plans,
    lines: &Lines<'_>,
) -> Result<(), PlanError> {
    let named = entry.name();
    let layer = named.get_ref();
    let word = entry.method.get_ref();
    let Ok(method) = word.parse::<Method>() else {
        return lines.error(&entry.method, format!("layer {layer}: unknown method \"{word}\""));
    };
    if plan.stages.iter().any(|stage| stage.name == *layer) {
        return lines.error(named, format!("second stage for layer {layer}"));
    }
    let reader = format!("layer {layer}");
    let mut reads = Vec::new();
    for word in &entry.reads {
        reads.push(read(word, &reader, made, plan, plans, lines)?);
    }
    if reads.is_empty() {
        return lines.error(named, format!("layer {layer} reads nothing"));
    }
    let name = entry.value.get_ref();
    let Some(value) = plans.value(name) else {
        return lines
            .error(&entry.value, format!("layer {layer} makes {name}, which is not listed"));
    };
    if plan.shardings[value.index()].is_some() {
        return lines.error(&entry.value, format!("value {name} is made twice"));
    }
    let form = &plans.values[value.index()];
    let id = StageId(plan.stages.len() as u16);
    let extra = extra(entry, method, lines)?;
    let coded = !entry.parity.is_empty();
    let division = division(entry, method, form, coded, lines)?;
    let code = code(entry, &division, extra, lines)?;
    let seats = seats(index, entry, &code, plan.seats, plans, lines)?;
    let wire = wire(entry, form, lines)?;
    let parts = parts(entry, &division, &reads, plans, lines)?;
    for read in &reads {
        plan.readers[read.index()].push(id);
    }
    plan.shardings[value.index()] = Some(Sharding::new(code, division, seats, Some(id), wire));
    plan.stages.push(Stage { name: layer.clone(), method, reads, value, parts });
    Ok(())
}

/// What each data shard reads of its input.
fn parts(
    entry: &StageEntry,
    division: &Division,
    reads: &[ValueId],
    plans: &Plans,
    lines: &Lines<'_>,
) -> Result<Vec<Region>, PlanError> {
    let Some(list) = &entry.parts else { return Ok(Vec::new()) };
    let layer = entry.name().get_ref();
    let divides_input = matches!(division, Division::Tiles(_) | Division::Terms(_));
    let [read] = reads else {
        return lines.error(list, format!("layer {layer}: parts of {} values", reads.len()));
    };
    if !divides_input {
        return lines.error(list, format!("layer {layer}: its method divides no input into parts"));
    }
    let (shards, value) = (division.shards(), &plans.values[read.index()]);
    let fits = |part: &Vec<[usize; 2]>| {
        part.len() == value.shape.len()
            && part.iter().zip(&value.shape).all(|([a, b], length)| a < b && b <= length)
    };
    let got = list.get_ref();
    if got.len() != shards || !got.iter().all(fits) {
        let (name, shape) = (&value.name, &value.shape);
        let message = format!("layer {layer}: {shards} parts of {name} within {shape:?} needed");
        return lines.error(list, message);
    }
    Ok(got.iter().map(|part| part.iter().map(|[a, b]| *a..*b).collect()).collect())
}

/// The devices beyond those of the data shards: parity or replicas, as the
/// method allows.
fn extra<'a>(
    entry: &'a StageEntry,
    method: Method,
    lines: &Lines<'_>,
) -> Result<&'a [Spanned<String>], PlanError> {
    let layer = entry.name().get_ref();
    let (parity, replicas) = (entry.parity.as_slice(), entry.replicas.as_slice());
    if let (Some(_), Some(first)) = (parity.first(), replicas.first()) {
        return lines.error(first, format!("layer {layer} has both parity and replicas"));
    }
    match parity.first() {
        Some(first) if method.codable() == Codable::No => lines.error(
            first,
            format!("layer {layer}: method {method} takes replicas, not parity: {}", method.why()),
        ),
        Some(_) => Ok(parity),
        None => Ok(replicas),
    }
}

fn division(
    entry: &StageEntry,
    method: Method,
    value: &Value,
    coded: bool,
    lines: &Lines<'_>,
) -> Result<Division, PlanError> {
    let layer = entry.name().get_ref();
    let needed = match method {
        Method::Output | Method::Channel => "rows",
        Method::Spatial => "tiles",
        Method::Input | Method::Filter => "columns",
        Method::Whole => "",
    };
    let lists = [
        ("rows", entry.rows.as_ref().map(|list| list.span())),
        ("columns", entry.columns.as_ref().map(|list| list.span())),
        ("tiles", entry.tiles.as_ref().map(|list| list.span())),
    ];
    for (word, span) in lists {
        let Some(span) = span.filter(|_| word != needed) else { continue };
        let message = format!("layer {layer}: method {method} takes no {word}");
        return lines.error(&Spanned::new(span, ()), message);
    }
    let absent =
        || lines.error(&entry.method, format!("layer {layer}: method {method} needs {needed}"));
    if method != Method::Whole
        && method != Method::Output
        && method != Method::Channel
        && value.dtype != DType::F32
    {
        let message = format!("layer {layer}: method {method} needs f32, {} is", value.name);
        return lines.error(&entry.method, format!("{message} {}", value.dtype));
    }
    match (needed, &entry.rows, &entry.columns, &entry.tiles) {
        ("rows", Some(rows), _, _) => {
            let of = format!("rows of {}", value.name);
            Ok(Division::Rows(ranges(layer, "rows", rows, Some((value.rows(), of)), lines)?))
        }
        // How many columns there are only the model knows.
        ("columns", _, Some(columns), _) => {
            Ok(Division::Terms(ranges(layer, "columns", columns, None, lines)?))
        }
        ("tiles", _, _, Some(lengths)) => tiles(layer, value, lengths, coded, lines),
        ("", ..) => Ok(Division::Whole),
        _ => absent(),
    }
}

/// Consecutive ranges of these lengths, which sum to the number in `total`.
fn ranges(
    layer: &str,
    what: &str,
    list: &Spanned<Vec<usize>>,
    total: Option<(usize, String)>,
    lines: &Lines<'_>,
) -> Result<Vec<Range<usize>>, PlanError> {
    let counts = list.get_ref();
    let sum = counts.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
    let fits = sum.is_some_and(|sum| total.as_ref().is_none_or(|(total, _)| sum == *total));
    if counts.is_empty() || counts.contains(&0) || !fits {
        let target = total.map_or_else(String::new, |(n, of)| format!(" and sum to {n}, the {of}"));
        return lines.error(
            list,
            format!("layer {layer}: {what} {counts:?} must be at least 1 each{target}"),
        );
    }
    let mut start = 0;
    let range = |&n: &usize| {
        start += n;
        start - n..start
    };
    Ok(counts.iter().map(range).collect())
}

fn tiles(
    layer: &str,
    value: &Value,
    list: &Spanned<Vec<Vec<usize>>>,
    coded: bool,
    lines: &Lines<'_>,
) -> Result<Division, PlanError> {
    let (lengths, spatial) = (list.get_ref(), &value.shape[value.axis + 1..]);
    let fills = |(parts, &length): (&Vec<usize>, &usize)| {
        let sum = parts.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
        !parts.is_empty() && !parts.contains(&0) && sum == Some(length)
    };
    let fits = !spatial.is_empty()
        && lengths.len() == spatial.len()
        && lengths.iter().zip(spatial).all(fills);
    let most = quorate_code::SHARDS_MAX;
    let count = lengths.iter().try_fold(1usize, |n, parts| n.checked_mul(parts.len()));
    if !fits || count.is_none_or(|count| count > most) {
        return lines.error(
            list,
            format!(
                "layer {layer}: tiles {lengths:?} must be at most {most}, lengths of at least 1 \
                 that sum to {spatial:?}, the spatial dimensions of {}",
                value.name
            ),
        );
    }
    Ok(Division::Tiles(Tiles::new(lengths.clone(), coded)))
}

fn code(
    entry: &StageEntry,
    division: &Division,
    extra: &[Spanned<String>],
    lines: &Lines<'_>,
) -> Result<Code, PlanError> {
    let layer = entry.name().get_ref();
    let replicated = !entry.replicas.is_empty();
    let name = match &entry.code {
        Some(code) => code.get_ref().as_str(),
        None if replicated => REPLICATION,
        None => "none",
    };
    let fitting = (name == REPLICATION) == replicated;
    let code = Code::by_name(name, division.shards(), extra.len());
    match (code, &entry.code) {
        (Ok(code), _) if fitting => Ok(code),
        (Err(error), Some(at)) => lines.error(at, format!("layer {layer}: {error}")),
        (Err(error), None) => lines.error(&entry.data, format!("layer {layer}: {error}")),
        (Ok(_), at) => {
            let message = "replicas go with code replication, parity with any other";
            let at = at.as_ref().unwrap_or(&entry.value);
            lines.error(at, format!("layer {layer}: {message}"))
        }
    }
}

fn wire(entry: &StageEntry, value: &Value, lines: &Lines<'_>) -> Result<DType, PlanError> {
    let Some(word) = &entry.wire else { return Ok(value.dtype) };
    match DType::from_word(word.get_ref()) {
        Some(dtype) if dtype == value.dtype => Ok(dtype),
        Some(DType::F16) if value.dtype == DType::F32 => Ok(DType::F16),
        _ => {
            let (got, name, dtype) = (word.get_ref(), &value.name, value.dtype);
            lines.error(word, format!("wire \"{got}\" of {name}: f16 for f32, else {dtype}"))
        }
    }
}

fn seats(
    index: usize,
    entry: &StageEntry,
    code: &Code,
    seats: usize,
    plans: &Plans,
    lines: &Lines<'_>,
) -> Result<Vec<SeatId>, PlanError> {
    let layer = entry.name().get_ref();
    let data = entry.data.get_ref();
    let n = code.data_shards();
    if data.len() != n {
        let got = data.len();
        return lines
            .error(&entry.data, format!("layer {layer}: {got} devices for {n} data shards"));
    }
    let replicated = code.name() == REPLICATION;
    let mut taken: Vec<SeatId> = Vec::new();
    for word in data.iter().chain(&entry.parity).chain(&entry.replicas) {
        let name = word.get_ref();
        let Some(seat) = (0..seats).find(|seat| plans.seat_name(index, *seat) == *name) else {
            let kind = if index == 0 { "device" } else { "seat" };
            return lines.error(word, format!("layer {layer}: unknown {kind} {name}"));
        };
        let seat = SeatId(seat as u8);
        // Copies of different shards may share a device.
        let same = |at: usize| !replicated || at % n == taken.len() % n;
        if taken.iter().enumerate().any(|(at, other)| *other == seat && same(at)) {
            return lines.error(
                word,
                format!("layer {layer}: two shards on {name}, which would be lost together"),
            );
        }
        taken.push(seat);
    }
    Ok(taken)
}
