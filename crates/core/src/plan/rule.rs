//! The plan that is made without measuring: every layer over all devices.
//!
//! ```text
//! coded      data shards on the data devices, parity on the spares
//! replicas   shard j on seat j, its copies on the seats behind, round and round
//! whole      one seat and its replicas; the next whole stage that does not
//!            read this one goes to the next seats
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_code::{Code, CodeError, SHARDS_MAX};
use quorate_model::layer::{Kind, Layer};
use quorate_model::method::{Codable, Method};
use quorate_model::need::Region;
use quorate_model::shard::{Part, even};
use quorate_model::stage::{Source, Staged};
use quorate_model::tensor::DType;
use quorate_model::window::grid;

use super::{Division, Plan, Plans, REPLICATION, Sharding, Stage, Tiles, Value, WaitPolicy};
use crate::id::{DeviceSet, SeatId, StageId, ValueId};
use crate::region::whole;

/// What the rule is to plan for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// File name of the model.
    pub model: String,
    /// SHA-256 of the model file, in hex.
    pub model_sha256: String,
    /// Names of the devices: those for data, then the spares.
    pub devices: Vec<String>,
    /// Address of each device.
    pub hosts: Vec<String>,
    /// How many of them are spares, for parity.
    pub spares: usize,
    /// Plans for fewer devices, down to this many.
    pub fewest_devices: usize,
    /// How to divide layers: one that names the layer counts before one for
    /// all, of several the last. Where none fits, by rows.
    pub methods: Vec<MethodWish>,
    /// Layers, or values, that travel as f16; `*` for all.
    pub f16: Vec<String>,
    /// Relative error of an answer that is still right.
    pub tolerance: f64,
    /// How long a consumer stays with the roster.
    pub wait: WaitPolicy,
}

/// First port of the addresses given where none are asked for.
const FIRST_PORT: usize = 7001;

impl Wish {
    /// So many devices of one machine, `pi-1`, `pi-2` and on, the spares last;
    /// all else as it is by default.
    pub fn of(model: &str, model_sha256: &str, data: usize, spares: usize) -> Wish {
        let count = data.saturating_add(spares);
        Wish {
            model: model.to_owned(),
            model_sha256: model_sha256.to_owned(),
            devices: (1..=count).map(|i| format!("pi-{i}")).collect(),
            hosts: (0..count).map(|i| format!("127.0.0.1:{}", FIRST_PORT + i)).collect(),
            spares,
            fewest_devices: 1,
            methods: Vec::new(),
            f16: Vec::new(),
            tolerance: 1e-4,
            wait: WaitPolicy::Auto,
        }
    }
}

/// A method for one layer, or for all layers of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodWish {
    /// The layer, or the value that it makes; `None` for all that the method
    /// is for.
    pub layer: Option<String>,
    /// The method.
    pub method: Method,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum RuleError {
    #[error(
        "{data} devices and {spares} spares: needs 1 device, and at most {} of both",
        DeviceSet::MAX
    )]
    Devices { data: usize, spares: usize },
    #[error("{hosts} addresses for {devices} devices")]
    Hosts { hosts: usize, devices: usize },
    #[error("address \"{address}\" of {device} is not host:port")]
    Address { device: String, address: String },
    #[error("layer {layer}")]
    Code { layer: String, source: CodeError },
    #[error("layer {layer}: method {method} is for {needed}")]
    Method { layer: String, method: Method, needed: &'static str },
    #[error("model has no layer {layer} at a border of a stage (it has {known})")]
    Layer { layer: String, known: String },
    #[error("input {input} of the model is read by nothing: take it out of the model")]
    Unread { input: String },
    #[error("{stage}: {dtype} cannot travel as f16, only f32 can")]
    Wire { stage: String, dtype: DType },
}

impl Plans {
    /// Every layer by the method wished for, else every Conv by channel and
    /// every Gemm and MatMul by output, evenly over the devices; and the same
    /// for every smaller number of devices.
    pub fn by_rule(staged: &Staged, wish: &Wish) -> Result<Plans, RuleError> {
        let devices = wish.devices.len();
        if devices <= wish.spares || devices > DeviceSet::MAX {
            let data = devices.saturating_sub(wish.spares);
            return Err(RuleError::Devices { data, spares: wish.spares });
        }
        if wish.hosts.len() != devices {
            return Err(RuleError::Hosts { hosts: wish.hosts.len(), devices });
        }
        let hosts: BTreeMap<String, String> =
            wish.devices.iter().cloned().zip(wish.hosts.iter().cloned()).collect();
        for (device, address) in &hosts {
            if !super::resolve::is_host_and_port(address) {
                let (device, address) = (device.clone(), address.clone());
                return Err(RuleError::Address { device, address });
            }
        }
        known(staged, wish)?;
        let mut plans = vec![plan(staged, "main", devices, wish.spares, wish)?];
        for seats in (wish.fewest_devices.max(1)..devices).rev() {
            let spares = wish.spares.min(seats / 2);
            plans.push(plan(staged, &format!("{seats}-devices"), seats, spares, wish)?);
        }
        let mut plans = Plans {
            model: wish.model.clone(),
            model_sha256: wish.model_sha256.clone(),
            devices: wish.devices.clone(),
            hosts,
            values: Arc::new(values(staged)),
            plans: plans.into_iter().map(Arc::new).collect(),
            wait: wish.wait,
            tolerance: wish.tolerance,
            fingerprints: BTreeMap::new(),
        };
        plans.identify();
        Ok(plans)
    }
}

/// The values that cross stage borders, numbered as in `staged`.
pub fn values(staged: &Staged) -> Vec<Value> {
    let value = |wire: &quorate_model::stage::WireValue| Value {
        name: wire.name.clone(),
        dtype: wire.dtype,
        shape: wire.shape.clone(),
        axis: wire.axis,
    };
    staged.values.iter().map(value).collect()
}

/// Are all layers that are wished for there?
fn known(staged: &Staged, wish: &Wish) -> Result<(), RuleError> {
    let values = |stage: &quorate_model::stage::Stage| staged.values[stage.value].name.clone();
    let is = |name: &String| {
        name == "*" || staged.stages.iter().any(|s| s.name == *name || values(s) == *name)
    };
    let layers = wish.methods.iter().filter_map(|wish| wish.layer.as_ref());
    match layers.chain(&wish.f16).find(|name| !is(name)) {
        None => Ok(()),
        Some(layer) => {
            let known: Vec<&str> = staged.stages.iter().map(|s| s.name.as_str()).collect();
            Err(RuleError::Layer { layer: layer.clone(), known: known.join(", ") })
        }
    }
}

fn plan(
    staged: &Staged,
    name: &str,
    seats: usize,
    spares: usize,
    wish: &Wish,
) -> Result<Plan, RuleError> {
    let count = staged.values.len();
    let mut plan = Plan::new(name, seats, count);
    plan.result = staged.output.reads.iter().map(|&v| ValueId(v as u16)).collect();
    let values = values(staged);
    let mut room = Room { seats, spares, turn: 0, next: 0, whole: Vec::new() };
    for (index, stage) in staged.stages.iter().enumerate() {
        let id = StageId(index as u16);
        let value = &values[stage.value];
        let mut method = method(stage, &value.name, &wish.methods)?;
        let mut placed = room.place(stage, value, method);
        if let (Some(layer), Ok((division, ..))) = (&stage.layer, &placed)
            && !fits(layer, division)
        {
            // Tiles that read padding alone have nothing to be computed from.
            method = layer.method();
            placed = room.place(stage, value, method);
        }
        let (division, code, seats) =
            placed.map_err(|source| RuleError::Code { layer: stage.name.clone(), source })?;
        let f16 = |name: &String| name == "*" || *name == stage.name || *name == value.name;
        let wire = match value.dtype {
            DType::F32 if wish.f16.iter().any(f16) => DType::F16,
            dtype if wish.f16.iter().any(|name| name != "*" && f16(name)) => {
                return Err(RuleError::Wire { stage: stage.name.clone(), dtype });
            }
            dtype => dtype,
        };
        let reads: Vec<ValueId> = stage.reads.iter().map(|&v| ValueId(v as u16)).collect();
        for &value in &reads {
            plan.readers[value.index()].push(id);
        }
        let coded = |value: &ValueId| plan.sharding(*value).is_some_and(Sharding::is_coded);
        let parts =
            if reads.iter().any(coded) { Vec::new() } else { parts(staged, stage, &division) };
        plan.shardings[stage.value] = Some(Sharding::new(code, division, seats, Some(id), wire));
        let (name, value) = (stage.name.clone(), ValueId(stage.value as u16));
        plan.stages.push(Stage { name, method, reads, value, parts });
    }
    let read = |value: &usize| {
        !plan.readers[*value].is_empty() || plan.result.contains(&ValueId(*value as u16))
    };
    let inputs: Vec<usize> = (0..count).filter(read).collect();
    for value in inputs {
        if matches!(staged.values[value].source, Source::Input(_)) {
            plan.shardings[value] = Some(Sharding::input(&values[value]));
        }
    }
    if let Some(unread) = plan.shardings.iter().position(Option::is_none) {
        return Err(RuleError::Unread { input: values[unread].name.clone() });
    }
    plan.find_needs(&values);
    Ok(plan)
}

/// Can the layer be divided so?
fn fits(layer: &Layer, division: &Division) -> bool {
    let Division::Tiles(tiles) = division else { return true };
    tiles.boxes.iter().all(|tile| Part::Tile { tile: tile.clone() }.check(layer).is_ok())
}

/// What each data shard reads of its input; nothing where all read all.
fn parts(staged: &Staged, stage: &quorate_model::stage::Stage, division: &Division) -> Vec<Region> {
    let part = |shard: usize| match division {
        Division::Terms(columns) => Part::Term { columns: columns[shard].clone() },
        Division::Tiles(tiles) => Part::Tile { tile: tiles.boxes[shard].clone() },
        Division::Whole | Division::Rows(_) => Part::Whole,
    };
    let needs: Vec<Option<Region>> =
        (0..division.shards()).map(|shard| staged.need(stage, &part(shard))).collect();
    if needs.iter().all(Option::is_none) {
        return Vec::new();
    }
    let all = whole(&staged.values[stage.reads[0]].shape);
    needs.into_iter().map(|need| need.unwrap_or_else(|| all.clone())).collect()
}

/// The method that `stage` is divided by.
fn method(
    stage: &quorate_model::stage::Stage,
    value: &str,
    wishes: &[MethodWish],
) -> Result<Method, RuleError> {
    let names = |wish: &&MethodWish| {
        wish.layer.as_ref().is_some_and(|name| *name == stage.name || name == value)
    };
    let named = wishes.iter().rfind(names).map(|wish| wish.method);
    let refuse =
        |method, needed| Err(RuleError::Method { layer: stage.name.clone(), method, needed });
    let Some(layer) = &stage.layer else {
        return match named {
            None | Some(Method::Whole) => Ok(Method::Whole),
            Some(method) => refuse(method, "stages that end in a layer"),
        };
    };
    if let Some(method) = named {
        return match method {
            Method::Spatial if !stage.tail.is_empty() => {
                refuse(method, "layers without pooling before their send")
            }
            method if method.is_for(layer.kind) => Ok(method),
            method if method.is_for(Kind::Fc) => refuse(method, "fully-connected layers"),
            method => refuse(method, "convolutions"),
        };
    }
    let general = |wish: &&MethodWish| wish.layer.is_none() && wish.method.is_for(layer.kind);
    let method = wishes.iter().rfind(general).map_or(layer.method(), |wish| wish.method);
    // A tile of what was pooled would need its neighbours, and a single output
    // is no area.
    let area: usize = layer.output_shape.iter().skip(2).product();
    let divisible = stage.tail.is_empty() && area > 1;
    Ok(if method == Method::Spatial && !divisible { layer.method() } else { method })
}

/// Where the shards of stages go.
struct Room {
    seats: usize,
    spares: usize,
    /// First seat of the whole stages at hand.
    turn: usize,
    /// First seat of those after them.
    next: usize,
    /// Values that whole stages at this turn make.
    whole: Vec<usize>,
}

type Placed = (Division, Code, Vec<SeatId>);

impl Room {
    fn place(
        &mut self,
        stage: &quorate_model::stage::Stage,
        value: &Value,
        method: Method,
    ) -> Result<Placed, CodeError> {
        match (&stage.layer, method) {
            (Some(layer), Method::Input | Method::Filter) => self.replicas(layer.columns),
            (Some(layer), method) if method.codable() != Codable::No => {
                self.coded(layer, value, method)
            }
            _ => {
                if !stage.reads.iter().any(|read| self.whole.contains(read)) {
                    self.whole.clear();
                    self.turn = self.next;
                    self.next = (self.turn + 1 + self.spares) % self.seats;
                }
                self.whole.push(stage.value);
                let code = replication(1, self.spares)?;
                Ok((Division::Whole, code, self.round(self.turn, self.spares + 1)))
            }
        }
    }

    /// So many seats from `first` on, round and round.
    fn round(&self, first: usize, count: usize) -> Vec<SeatId> {
        (first..first + count).map(|seat| SeatId((seat % self.seats) as u8)).collect()
    }

    /// Data shards on the data devices, parity on the spares.
    fn coded(&self, layer: &Layer, value: &Value, method: Method) -> Result<Placed, CodeError> {
        let data = self.seats - self.spares;
        let division = match method {
            Method::Spatial => {
                let lengths = grid(&value.shape[value.axis + 1..], data);
                Division::Tiles(Tiles::new(lengths, self.spares > 0))
            }
            _ => Division::Rows(even(layer.rows, data.min(layer.rows)).unwrap_or_default()),
        };
        let n = division.shards();
        let code = code(n, self.spares)?;
        let spares = data..data + self.spares;
        let seats = (0..n).chain(spares).map(|seat| SeatId(seat as u8)).collect();
        Ok((division, code, seats))
    }

    /// Terms over all devices, each with as many copies as there are spares.
    fn replicas(&self, columns: usize) -> Result<Placed, CodeError> {
        let copies = self.spares;
        let n = self.seats.min(columns).min(SHARDS_MAX / (copies + 1));
        let code = replication(n, copies)?;
        let seats = (0..=copies).flat_map(|copy| self.round(copy, n)).collect();
        Ok((Division::Terms(even(columns, n).unwrap_or_default()), code, seats))
    }
}

fn replication(n: usize, copies: usize) -> Result<Code, CodeError> {
    Code::by_name(if copies == 0 { "none" } else { REPLICATION }, n, n * copies)
}

/// The code for `n` data shards and `m` spares: none, the paper's sum, MDS.
fn code(n: usize, m: usize) -> Result<Code, CodeError> {
    let name = match m {
        0 => "none",
        1 => "sum",
        _ => "mds",
    };
    Code::by_name(name, n, m)
}
