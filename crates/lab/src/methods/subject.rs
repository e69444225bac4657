//! A model with its input and the right answers, ready to be tried.

use anyhow::Context;
use quorate::bundle::{self, ModelFile};
use quorate::rehearsal::{Finding, Rehearsal};
use quorate_core::planner::{self, MethodRequest, PlanRequest};
use quorate_model::tensor::Tensor;

use crate::engine::engine;

/// Devices that hold data in every trial.
pub(super) const DATA_DEVICES: usize = 4;

/// A model that was loaded, with an input and the right answers to it.
pub struct Subject {
    /// The model.
    pub file: ModelFile,
    /// The input.
    pub input: Tensor,
    /// What ONNX Runtime answers.
    pub answers: Vec<Tensor>,
}

impl Subject {
    /// A plan for [`DATA_DEVICES`] and so many spares.
    pub(super) fn request(
        &self,
        methods: Vec<MethodRequest>,
        spares: usize,
    ) -> anyhow::Result<PlanRequest> {
        let (file, fewest_devices) = (&self.file, DATA_DEVICES + spares);
        let request = PlanRequest::local(&file.name, &file.sha256, DATA_DEVICES, spares)?;
        Ok(PlanRequest { fewest_devices, methods, ..request })
    }

    /// What `quorate check --devices 4 --spares 1` finds, with `--f16` for
    /// these layers.
    pub fn check(&self, f16: &[&str]) -> anyhow::Result<Vec<Finding>> {
        let mut request = self.request(Vec::new(), 1)?;
        request.f16 = f16.iter().map(|layer| (*layer).to_owned()).collect();
        let plans = planner::even(&self.file.staged, &request)?;
        let folder = tempfile::tempdir().context("a temporary folder")?;
        let (file, packed) = (&self.file, folder.path().join("bundle"));
        bundle::write(&file.staged, &file.sha256, &plans, &packed, &mut |_| ())?;
        let input = vec![self.input.clone()];
        let rehearsal = Rehearsal::new(&engine(), None, file, plans, &packed, input)?;
        let mut findings = rehearsal.stages(&mut |_| ())?;
        findings.extend(rehearsal.dead_throughout(&mut |_| ())?);
        Ok(findings)
    }
}
