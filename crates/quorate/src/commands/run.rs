//! `quorate run`: ask running workers for answers.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use quorate::bundle::Folder;
use quorate::input;
use quorate::node::gateway::{Answer, AskError, Handle, assemble};
use quorate::node::runtime;
use quorate_core::cluster::GATEWAY_FOLDER;
use quorate_core::gateway::GatewayConfig;
use quorate_core::packing::PLAN_FILE;
use serde_json::json;

use super::emulated::emulation;
use super::ranking::greatest;
use super::single_input::{input_value, preprocess};
use crate::cli;
use crate::engine::engine;
use crate::words::print;

/// Runs the command.
pub(crate) fn run(args: &cli::Run) -> anyhow::Result<ExitCode> {
    let folder = Folder::open(&gateway_folder(&args.bundle))?.with_hosts(&args.hosts)?;
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

async fn ask(folder: &Folder, inputs: &input::Inputs, args: &cli::Run) -> anyhow::Result<ExitCode> {
    let emulation = emulation(&args.emulate, &args.emulated)?;
    let config = GatewayConfig::default();
    let handle = Handle::emulated(folder, engine(), config, emulation.as_ref())?;
    assemble(&handle, args.patience).await?;
    let mut unanswered = 0;
    for (index, tensor) in inputs.tensors.iter().enumerate() {
        let asked = std::time::Instant::now();
        let outcome = match handle.submit(vec![tensor.clone()], args.deadline) {
            Ok(ticket) => ticket.await,
            Err(error) => Err(error),
        };
        let label = inputs.labels.as_ref().map(|labels| labels[index]);
        match outcome {
            Ok(answer) => {
                let latency_ms = (answer.at - asked).as_secs_f64() * 1e3 / handle.dilation();
                show(index, label, &answer, latency_ms, folder, args)?;
            }
            Err(ended @ AskError::Ended) => return Err(ended.into()),
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
    let plan = &folder.plans.all()[from.plan].name();
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
