//! A planned model of which nothing is computed: shards have their sizes, and
//! nothing in them. For models that are too large, or plans too many, to be
//! packed and run.

use std::sync::Arc;

use bytes::Bytes;
use quorate_core::gather::Gathered;
use quorate_core::plan::Plans;
use quorate_core::worker::TaskId;
use quorate_model::tensor::Tensor;

use super::shards::Shards;

/// A planned model whose shards are all zeros. Copies share everything.
#[derive(Clone, Debug)]
pub struct Blank {
    plans: Arc<Plans>,
    /// As many as the largest value has bytes.
    zeros: Bytes,
}

impl Blank {
    /// The model of these plans.
    pub fn new(plans: Arc<Plans>) -> Blank {
        let largest = plans.values().iter().map(|value| value.bytes()).max().unwrap_or(0);
        // No shard is larger: a parity is as long in each dimension as the
        // longest data shard.
        Blank { plans, zeros: vec![0; largest].into() }
    }

    fn tensor(&self, value: usize, shape: Vec<usize>) -> Result<Tensor, String> {
        let dtype = self.plans.values()[value].dtype;
        let bytes = shape.iter().product::<usize>() * dtype.size();
        let name = &self.plans.values()[value].name;
        if bytes > self.zeros.len() {
            let limit = self.zeros.len();
            return Err(format!(
                "a shard of {name} has {bytes} bytes, more than any value: {limit}"
            ));
        }
        Tensor::new(dtype, shape, self.zeros.slice(..bytes)).map_err(|e| format!("{name}: {e}"))
    }
}

impl Shards for Blank {
    fn plans(&self) -> &Arc<Plans> {
        &self.plans
    }

    fn inputs(&self, _: usize) -> Vec<Tensor> {
        let input = |value: quorate_core::id::ValueId| {
            let shape = self.plans.values()[value.index()].shape.clone();
            self.tensor(value.index(), shape).expect("a whole value")
        };
        self.plans.main().inputs().map(input).collect()
    }

    fn run(&mut self, _: usize, task: TaskId, _: &[Arc<Gathered>]) -> Result<Vec<Tensor>, String> {
        let plan = self.plans.all().iter().find(|plan| plan.id() == task.plan);
        let plan = plan.ok_or_else(|| format!("no plan {}", task.plan))?;
        let value = plan.stages()[task.stage.index()].value.index();
        let form = &self.plans.values()[value];
        let part = plan.stage_sharding(task.stage).part(task.shard);
        Ok(vec![self.tensor(value, part.output_shape(&form.shape, form.axis))?])
    }

    /// The answers are empty: nobody looks into them.
    fn glue(&mut self, _: &[Arc<Gathered>]) -> Result<Vec<Tensor>, String> {
        Ok(Vec::new())
    }

    fn error(&self, _: usize, _: &[Tensor]) -> f64 {
        0.0
    }
}
