//! Models as people have them: each with an input and the answers of ONNX
//! Runtime, read, planned, packed, tried, and played with losses.
//!
//! A case is `NAME.onnx` with `NAME.npz`, which holds the inputs as `in:...` and
//! the answers as `out:...`; or `NAME.refused.txt` in its place, where ONNX
//! Runtime refuses the model, too.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use quorate::bundle::{self, ModelFile, Shapes};
use quorate::input::{self, read_npz};
use quorate::rehearsal::{Rehearsal, answer_difference, doubt};
use quorate_core::id::DeviceSet;
use quorate_core::plan::Plans;
use quorate_core::planner::{self, PlanRequest};
use quorate_engine::Reference;
use quorate_model::form::{Form, forms};
use quorate_model::tensor::{DType, Tensor};

use crate::engine::engine;

/// Devices that share the weights, and one more.
const DEVICES: usize = 2;

/// Relative error of an answer that is right: of one model in f32, computed in
/// another order.
const TOLERANCE: f64 = 1e-3;

/// A model with an input and the right answers.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name: the file's without its ending.
    pub name: String,
    model: PathBuf,
    inputs: Vec<(String, Tensor)>,
    /// None where ONNX Runtime refuses the model.
    answers: Vec<(String, Tensor)>,
}

/// Which forms of operators are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those that the engine was proven in, as for users.
    Proven,
    /// All: to prove them.
    All,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The right answer, with each device lost, too.
    Right {
        /// The largest error of any answer.
        error: f64,
    },
    /// Refused before anything was deployed.
    Refused(String),
    /// An answer that is wrong.
    Wrong(String),
    /// Deployed, and then no answer.
    Failed(String),
    /// A panic.
    Panicked(String),
    /// Right, and `quorate check` says that it is not.
    Alarmed(String),
}

impl Outcome {
    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Right { .. } => "right",
            Outcome::Refused(_) => "refused",
            Outcome::Wrong(_) => "wrong",
            Outcome::Failed(_) => "failed",
            Outcome::Panicked(_) => "panicked",
            Outcome::Alarmed(_) => "alarmed",
        }
    }

    /// Is it one that a user may meet?
    pub fn is_allowed(&self) -> bool {
        matches!(self, Outcome::Right { .. } | Outcome::Refused(_))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Right { error } => write!(f, "right, {error:.1e}"),
            Outcome::Refused(why)
            | Outcome::Wrong(why)
            | Outcome::Failed(why)
            | Outcome::Panicked(why)
            | Outcome::Alarmed(why) => write!(f, "{}: {why}", self.word()),
        }
    }
}

/// The cases in a folder, by name.
pub fn cases(folder: &Path) -> anyhow::Result<Vec<Case>> {
    let mut models: Vec<PathBuf> = Vec::new();
    for entry in folder.read_dir().with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "onnx") {
            models.push(path);
        }
    }
    models.sort();
    models.into_iter().map(Case::read).collect()
}

impl Case {
    /// The model at a path, with an input and the right answers.
    pub fn new(
        name: String,
        model: PathBuf,
        inputs: Vec<(String, Tensor)>,
        answers: Vec<(String, Tensor)>,
    ) -> Case {
        Case { name, model, inputs, answers }
    }

    fn read(model: PathBuf) -> anyhow::Result<Case> {
        let name = model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let arrays = model.with_extension("npz");
        let (mut inputs, mut answers) = (Vec::new(), Vec::new());
        if arrays.is_file() {
            for (name, tensor) in read_npz(&arrays)? {
                if let Some(input) = name.strip_prefix("in:") {
                    inputs.push((input.to_owned(), tensor));
                } else if let Some(output) = name.strip_prefix("out:") {
                    answers.push((output.to_owned(), tensor));
                }
            }
        }
        Ok(Case { name, model, inputs, answers })
    }

    /// Tries it, with shapes for its inputs or without.
    pub fn outcome(&self, trust: Trust, with_shapes: bool) -> Outcome {
        self.outcome_with(trust, with_shapes, None)
    }

    /// The same, and of a case that is right, what `quorate check` says of it on
    /// an input of its own making, held against `judge`.
    pub fn checked(&self, trust: Trust, judge: &dyn Reference) -> Outcome {
        self.outcome_with(trust, true, Some(judge))
    }

    fn outcome_with(
        &self,
        trust: Trust,
        with_shapes: bool,
        judge: Option<&dyn Reference>,
    ) -> Outcome {
        let tried = catch_unwind(AssertUnwindSafe(|| self.tried(trust, with_shapes, judge)));
        tried.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Outcome::Panicked(text.unwrap_or_default())
        })
    }

    fn tried(&self, trust: Trust, with_shapes: bool, judge: Option<&dyn Reference>) -> Outcome {
        let folder = match tempfile::tempdir() {
            Ok(folder) => folder,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let packed = folder.path().join("bundle");
        let (model, plans) = match self.packed(trust, with_shapes, &packed) {
            Ok(packed) => packed,
            Err(error) => return Outcome::Refused(format!("{error:#}")),
        };
        if self.answers.is_empty() {
            return Outcome::Right { error: 0.0 };
        }
        let outcome = match self.played(&model, plans.clone(), &packed) {
            Ok(outcome) => outcome,
            Err(error) => return Outcome::Failed(format!("{error:#}")),
        };
        match (judge, &outcome) {
            (Some(judge), Outcome::Right { .. }) => match alarm(&model, plans, &packed, judge) {
                Ok(None) => outcome,
                Ok(Some(why)) => Outcome::Alarmed(why),
                Err(error) => Outcome::Failed(format!("check: {error:#}")),
            },
            _ => outcome,
        }
    }

    /// What becomes of it, whether its forms are proven or not, and the forms of
    /// its nodes once it was read.
    pub fn with_forms(&self) -> (Outcome, Vec<Form>) {
        let read = catch_unwind(AssertUnwindSafe(|| {
            ModelFile::open_with(&self.model, &self.shapes(true)).map(|m| forms(&m.staged.model))
        }));
        (self.outcome(Trust::All, true), read.ok().and_then(Result::ok).unwrap_or_default())
    }

    fn shapes(&self, with_shapes: bool) -> Shapes {
        let inputs = match with_shapes {
            true => {
                let shaped = self.inputs.iter().filter(|(_, t)| !t.shape().is_empty());
                shaped.map(|(n, t)| (n.clone(), t.shape().to_vec())).collect()
            }
            false => BTreeMap::new(),
        };
        // What has no dimensions is a setting: a rate, or a mode.
        let settings = self.inputs.iter().filter(|(_, t)| with_shapes && t.shape().is_empty());
        let fixed = settings.map(|(name, t)| (name.clone(), t.to_numbers()[0])).collect();
        Shapes { inputs, dims: BTreeMap::new(), fixed }
    }

    /// The model and its plans, packed and tried.
    fn packed(
        &self,
        trust: Trust,
        with_shapes: bool,
        packed: &Path,
    ) -> anyhow::Result<(ModelFile, Plans)> {
        let model = ModelFile::open_with(&self.model, &self.shapes(with_shapes))?;
        let mut request = PlanRequest::local(&model.name, &model.sha256, DEVICES, 1)?;
        request.fewest_devices = DEVICES + 1;
        let plans = planner::even(&model.staged, &request)?;
        if trust == Trust::Proven {
            bundle::check_forms(&model.staged, &*engine())?;
        }
        bundle::write(&model.staged, &model.sha256, &plans, packed, &mut |_| ())?;
        bundle::read_plan(&packed.join("gateway").join("plan.toml"))?;
        bundle::verify(&model.staged, &plans, packed, &*engine(), &mut |_| ())?;
        Ok((model, plans))
    }

    /// The answers of the whole model, and with nobody and with each device dead
    /// throughout.
    fn played(&self, model: &ModelFile, plans: Plans, packed: &Path) -> anyhow::Result<Outcome> {
        let graph = &model.staged.model.graph;
        let by_name = |name: &String| {
            let found = self.inputs.iter().find(|(input, _)| input == name);
            match found {
                Some((_, tensor)) => Ok(tensor.clone()),
                // An input that ONNX Runtime does not ask for.
                None => {
                    let of = &graph.types[name];
                    let bytes = vec![0; of.shape.iter().product::<usize>() * of.dtype.size()];
                    Ok(Tensor::new(of.dtype, of.shape.clone(), bytes.into())?)
                }
            }
        };
        let inputs: Vec<Tensor> =
            graph.inputs.iter().map(by_name).collect::<anyhow::Result<_>>()?;
        let right = |name: &String| {
            let found = self.answers.iter().find(|(output, _)| output == name);
            Ok(found.with_context(|| format!("no answer to output {name}"))?.1.clone())
        };
        let right: Vec<Tensor> = graph.outputs.iter().map(right).collect::<anyhow::Result<_>>()?;
        let everybody = plans.everybody();
        let alone = everybody.iter().map(|device| DeviceSet::from_iter([device]));
        let dead: Vec<DeviceSet> = std::iter::once(DeviceSet::default()).chain(alone).collect();
        let rehearsal =
            Rehearsal::expecting(&engine(), plans, packed, inputs.clone(), right.clone());
        // All in one piece, as for one device, and then in parts.
        let mut tries = vec![("as a whole", model.task(&*engine(), &[])?.run(&inputs)?)];
        for dead in dead {
            let words = if dead.is_empty() { "all devices" } else { "a device lost" };
            tries.push((words, rehearsal.answer(&inputs, dead)?));
        }
        let mut worst: f64 = 0.0;
        for (words, answers) in tries {
            for ((name, right), got) in graph.outputs.iter().zip(&right).zip(&answers) {
                match apart(got, right) {
                    Ok(error) if error <= TOLERANCE => worst = worst.max(error),
                    Ok(error) => {
                        return Ok(Outcome::Wrong(format!("{name} by {error:.1e}, {words}")));
                    }
                    Err(why) => return Ok(Outcome::Wrong(format!("{name}, {words}: {why:#}"))),
                }
            }
        }
        Ok(Outcome::Right { error: worst })
    }
}

/// Why `quorate check` says no to a packed model on an input of its own making,
/// where it does: of a model that is right, a false alarm.
fn alarm(
    model: &ModelFile,
    plans: Plans,
    packed: &Path,
    judge: &dyn Reference,
) -> anyhow::Result<Option<String>> {
    let (ports, graph) = (bundle::input_ports(&plans), &model.staged.model.graph);
    let made = input::seeded_requests(&ports, |name| graph.picks_below(name), 1, 1)?;
    let inputs = made.into_iter().next().context("an input")?;
    let engine = engine();
    let rehearsal = Rehearsal::new(&engine, Some(judge), model, plans, packed, inputs.clone())?;
    let mut findings = rehearsal.stages(&mut |_| ())?;
    findings.extend(rehearsal.dead_throughout(&mut |_| ())?);
    let Some(bad) = findings.iter().find(|finding| !finding.is_good()) else { return Ok(None) };
    let words = format!("{}: {:.1e}, {}", bad.what, bad.error, bad.worst);
    let doubt = doubt(&*engine, model, rehearsal.plans(), &inputs, &findings)?;
    Ok(doubt.is_none().then_some(words))
}

/// How far `got` is from `right`: max|a - b| / max|b| of floats, and of whole
/// numbers 0 or infinite. A quantum more or less counts as nothing where a byte
/// is what a float was rounded to.
fn apart(got: &Tensor, right: &Tensor) -> anyhow::Result<f64> {
    if got.dtype() != right.dtype() || got.shape() != right.shape() {
        let of = |tensor: &Tensor| format!("{} {:?}", tensor.dtype(), tensor.shape());
        bail!("it is {}, and should be {}", of(got), of(right));
    }
    if !matches!(got.dtype(), DType::F32 | DType::F16 | DType::F64) {
        let quantum = f64::from(u8::from(matches!(got.dtype(), DType::U8 | DType::I8)));
        let pairs = got.to_numbers().into_iter().zip(right.to_numbers());
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        return Ok(if worst <= quantum { 0.0 } else { f64::INFINITY });
    }
    // The digits of a half float are fewer.
    let digits = if got.dtype() == DType::F16 { 0.1 } else { 1.0 };
    Ok(answer_difference(std::slice::from_ref(got), std::slice::from_ref(right))? * digits)
}
