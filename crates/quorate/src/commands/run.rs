//! `quorate run`: ask running workers for answers.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use quorate_core::gateway::GatewayConfig;
use quorate_core::packing::{GATEWAY_FOLDER, PLAN_FILE};
use quorate_core::plan::{Plans, Value};
use quorate_engine::Tract;
use quorate_model::tensor::Tensor;
use serde_json::json;

use super::{replace_hosts, runtime};
use crate::bundle::Folder;
use crate::cli::{self, Preprocessing};
use crate::gateway::{Answer, Handle, assemble};
use crate::input::{self, Preprocess};
use crate::words::print;

/// Runs the command.
pub fn run(args: &cli::Run) -> anyhow::Result<ExitCode> {
    let mut folder = Folder::open(&gateway_folder(&args.bundle))?;
    let mut plans = (*folder.plans).clone();
    replace_hosts(&mut plans, &args.hosts)?;
    folder.plans = Arc::new(plans);
    let shape = input_value(&folder.plans)?.shape.clone();
    let inputs = input::read(&args.input, &shape, &preprocess(&args.preprocessing), args.limit)?;
    runtime()?.block_on(async {
        let interrupted = crate::process::interrupted()?;
        tokio::select! {
            end = ask(&folder, &inputs, args) => end,
            () = interrupted => anyhow::bail!("interrupted"),
        }
    })
}

/// The folder itself, or the gateway's in it.
fn gateway_folder(bundle: &Path) -> PathBuf {
    let inside = bundle.join(GATEWAY_FOLDER);
    if bundle.join(PLAN_FILE).is_file() { bundle.to_owned() } else { inside }
}

/// The model's one input.
pub fn input_value(plans: &Plans) -> anyhow::Result<&Value> {
    let inputs: Vec<_> = plans.main().inputs().collect();
    ensure!(inputs.len() == 1, "model has {} inputs, this command gives 1", inputs.len());
    Ok(&plans.values[inputs[0].index()])
}

/// The command line's words for preprocessing.
pub fn preprocess(args: &Preprocessing) -> Preprocess {
    Preprocess { scale: args.scale, mean: args.mean.clone(), std: args.std.clone() }
}

async fn ask(folder: &Folder, inputs: &input::Inputs, args: &cli::Run) -> anyhow::Result<ExitCode> {
    let handle = Handle::start(folder, Box::new(Tract), GatewayConfig::default())?;
    assemble(&handle, args.patience).await?;
    let mut unanswered = 0;
    for (index, tensor) in inputs.tensors.iter().enumerate() {
        let asked = std::time::Instant::now();
        let outcome = handle.submit(vec![tensor.clone()], args.deadline).await;
        let label = inputs.labels.as_ref().map(|labels| labels[index]);
        match outcome.context("the gateway has ended")? {
            Ok(answer) => {
                let latency_ms = (answer.at - asked).as_secs_f64() * 1e3;
                show(index, label, &answer, latency_ms, folder, args)?;
            }
            Err(error) => {
                unanswered += 1;
                if args.json {
                    print(json!({"input": index, "error": error.to_string()}).to_string())?;
                } else {
                    print(format!("input {index}: {error}"))?;
                }
            }
        }
    }
    Ok(if unanswered == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn show(
    index: usize,
    label: Option<u8>,
    answer: &Answer,
    latency_ms: f64,
    folder: &Folder,
    args: &cli::Run,
) -> anyhow::Result<()> {
    let best = greatest(&answer.outputs[0], args.top)?;
    let from = &answer.provenance;
    let plan = &folder.plans.plans[from.plan].name;
    if args.json {
        let top: Vec<_> =
            best.iter().map(|(class, value)| json!({"index": class, "value": value})).collect();
        let line = json!({
                "input": index, "label": label, "top": top, "latency_ms": latency_ms,
                "plan": plan, "attempts": from.attempts, "decoded": from.decoded,
        });
        print(line.to_string())?;
        return Ok(());
    }
    let label = label.map(|label| format!(" (label {label})")).unwrap_or_default();
    let classes: Vec<String> =
        best.iter().map(|(class, value)| format!("{class}: {value:.4}")).collect();
    let classes = classes.join("  ");
    print(format!("input {index}{label}: {classes}  [{latency_ms:.1} ms, plan {plan}]"))?;
    Ok(())
}

/// The `top` greatest values of a tensor with their places, greatest first.
pub fn greatest(tensor: &Tensor, top: usize) -> anyhow::Result<Vec<(usize, f32)>> {
    let mut values: Vec<(usize, f32)> = tensor.to_f32()?.into_iter().enumerate().collect();
    values.sort_by(|a, b| b.1.total_cmp(&a.1));
    values.truncate(top);
    Ok(values)
}
