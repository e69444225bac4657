//! What the demo runs on: a model, inputs, and the whole model's answers.

use anyhow::Context;
use quorate::bundle::ModelFile;
use quorate::input;
use quorate::random::SplitMix;
use quorate_engine::Port;
use quorate_model::tensor::Tensor;
use quorate_model::value::Value;

use super::pace::requests;
use crate::cli;
use crate::commands::inputs::preprocess;
use crate::commands::ranking::greatest;
use crate::engine::engine;
use crate::progress::CountBar;

const LENET: &[u8] = include_bytes!("../../../../../assets/lenet5.onnx");
const DIGITS: &[u8] = include_bytes!("../../../../../assets/mnist-t10k-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../../../../assets/mnist-t10k-labels-idx1-ubyte.gz");
/// Different inputs at most; a longer stream begins anew.
const INPUTS_MAX: usize = 10_000;
/// Different seeded inputs, where no input is given.
const SEEDED: usize = 64;

/// Model, inputs and right answers.
pub(crate) struct Material {
    /// The model.
    pub model: ModelFile,
    /// What is asked, a tensor for each of the model's inputs, in its order.
    pub inputs: Vec<Vec<Tensor>>,
    /// The label of each, where there are any.
    pub labels: Option<Vec<u8>>,
    answers: Vec<Vec<Tensor>>,
}

impl Material {
    /// Reads model and inputs and has the whole model answer each.
    pub(crate) fn gather(args: &cli::Demo) -> anyhow::Result<Material> {
        let model = match &args.model {
            Some(path) => ModelFile::open_with(path, &args.shapes.shapes()?)?,
            None => ModelFile::new("lenet5.onnx".to_owned(), LENET.into(), ".".as_ref())?,
        };
        let model = model.cut(&args.splitting.cut()?)?;
        let (graph, staged) = (&model.staged.model.graph, &model.staged);
        let inputs = staged.values.iter().take(graph.inputs.len());
        let port = |value: &Value| Port {
            name: value.name.clone(),
            dtype: value.dtype,
            shape: value.shape.clone(),
        };
        let ports: Vec<Port> = inputs.map(port).collect();
        let limit = requests(args).min(INPUTS_MAX);
        let pre = preprocess(&args.preprocessing);
        let (tensors, labels) = if !args.inputs.is_empty() {
            let read = input::requests(&args.inputs, &ports, &pre, Some(limit))?;
            (read.tensors, read.labels)
        } else if args.model.is_some() {
            let below = |name: &str| graph.picks_below(name);
            (input::seeded_requests(&ports, below, args.seed, SEEDED.min(limit))?, None)
        } else {
            let shape = &ports.first().context("no input")?.shape;
            let read = input::read_bytes("MNIST", DIGITS, shape, &pre, Some(limit))?;
            let labels = input::read_labels_bytes("MNIST labels", LABELS)?;
            (read.tensors.into_iter().map(|digit| vec![digit]).collect(), Some(labels))
        };
        let mut order: Vec<usize> = (0..tensors.len()).collect();
        SplitMix::new(args.seed).shuffle(&mut order);
        let inputs: Vec<Vec<Tensor>> = order.iter().map(|&i| tensors[i].clone()).collect();
        let labels = labels.map(|labels| order.iter().map(|&i| labels[i]).collect());
        let answers = whole_answers(&model, &inputs).context("the whole model")?;
        Ok(Material { model, inputs, labels, answers })
    }

    /// Which input request `number` asks.
    pub(crate) fn index(&self, number: usize) -> usize {
        number % self.inputs.len()
    }

    /// The whole model's answer to request `number`.
    pub(crate) fn answer(&self, number: usize) -> &[Tensor] {
        &self.answers[self.index(number)]
    }

    /// Is the greatest output of `outputs` the label of request `number`?
    pub(crate) fn is_right(&self, number: usize, outputs: &[Tensor]) -> Option<bool> {
        let label = self.labels.as_ref()?[self.index(number)];
        let best = greatest(outputs.first()?, 1);
        Some(best.first().is_some_and(|(class, _)| *class == usize::from(label)))
    }
}

fn whole_answers(model: &ModelFile, inputs: &[Vec<Tensor>]) -> anyhow::Result<Vec<Vec<Tensor>>> {
    let mut task = model.task(&*engine(), &[])?;
    let mut bar = CountBar::new("whole model");
    let mut answers = Vec::with_capacity(inputs.len());
    for input in inputs {
        answers.push(task.run(input)?);
        bar.set(answers.len(), inputs.len());
    }
    Ok(answers)
}
