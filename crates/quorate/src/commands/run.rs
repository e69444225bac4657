//! `quorate run`: ask running workers for answers.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use quorate::bundle::{self, Folder};
use quorate::input;
use quorate::node::gateway::{Answer, AskError, Handle, assemble};
use quorate::node::runtime;
use quorate_core::audit::Verified;
use quorate_core::cluster::GATEWAY_FOLDER;
use quorate_core::gateway::GatewayConfig;
use quorate_core::packing::PLAN_FILE;
use quorate_engine::Port;
use quorate_model::tensor::{DType, Tensor};
use serde_json::json;

use super::emulated::emulation;
use super::inputs::preprocess;
use super::ranking::greatest;
use crate::cli;
use crate::engine::engine;
use crate::words::print;

/// Runs the command.
pub(crate) fn run(args: &cli::Run) -> anyhow::Result<ExitCode> {
    let folder = Folder::open(&gateway_folder(&args.bundle))?.with_hosts(&args.hosts)?;
    let (ports, pre) = (bundle::input_ports(&folder.plans), preprocess(&args.preprocessing));
    let inputs = input::requests(&args.inputs, &ports, &pre, args.limit)?;
    runtime()?.block_on(async {
        let interrupted = crate::process::interrupted()?;
        let emulation = emulation(&args.emulate, &args.emulated)?;
        let config = GatewayConfig { adapt: true, ..GatewayConfig::default() };
        let memory = args.memory.memory();
        let handle = Handle::within(&folder, engine(), config, emulation.as_ref(), memory)?;
        let end = tokio::select! {
            end = ask(&handle, &folder, &inputs, args) => end,
            () = interrupted => Err(anyhow::anyhow!("interrupted")),
        };
        handle.close().await;
        end
    })
}

/// The folder itself, or the gateway's in it.
fn gateway_folder(bundle: &Path) -> PathBuf {
    let inside = bundle.join(GATEWAY_FOLDER);
    if bundle.join(PLAN_FILE).is_file() { bundle.to_owned() } else { inside }
}

async fn ask(
    handle: &Handle,
    folder: &Folder,
    inputs: &input::Requests,
    args: &cli::Run,
) -> anyhow::Result<ExitCode> {
    let shown = shown(handle.outputs(), &args.outputs)?;
    assemble(handle, args.patience).await?;
    let verify = args.verify.unwrap_or(folder.plans.verify());
    let (mut unanswered, mut kept) = (0, Vec::new());
    for (index, tensors) in inputs.tensors.iter().enumerate() {
        if index > 0 {
            tokio::time::sleep(args.pause.mul_f64(handle.dilation())).await;
        }
        let asked = std::time::Instant::now();
        let outcome = match handle.submit_verified(tensors.clone(), args.deadline, verify) {
            Ok(ticket) => ticket.await,
            Err(error) => Err(error),
        };
        let label = inputs.labels.as_ref().map(|labels| labels[index]);
        match outcome {
            Ok(answer) => {
                let latency_ms = (answer.at - asked).as_secs_f64() * 1e3 / handle.dilation();
                let plan = &folder.plans.all()[answer.provenance.plan].name();
                show(index, label, &answer, latency_ms, &shown, plan, args)?;
                if args.save.is_some() {
                    kept.push(answer.outputs);
                }
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
    if let Some(path) = args.save.as_deref().filter(|_| !kept.is_empty()) {
        input::write_npz(path, &stacked(&shown, &kept)?)?;
    }
    Ok(if unanswered == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn show(
    index: usize,
    label: Option<u8>,
    answer: &Answer,
    latency_ms: f64,
    shown: &[(&Port, usize)],
    plan: &str,
    args: &cli::Run,
) -> anyhow::Result<()> {
    let from = &answer.provenance;
    let best = |at: usize| greatest(&answer.outputs[at], args.top);
    if args.json {
        let top = |at: usize| -> Vec<_> {
            let best = best(at).into_iter();
            best.map(|(class, value)| json!({"index": class, "value": value})).collect()
        };
        let output = |(port, at): &(&Port, usize)| {
            let tensor = &answer.outputs[*at];
            json!({
                "name": port.name, "type": tensor.dtype().to_string(), "shape": tensor.shape(),
                "values": tensor.to_numbers(), "top": top(*at),
            })
        };
        let outputs: Vec<_> = shown.iter().map(output).collect();
        let line = json!({
                "input": index, "label": label, "top": top(shown[0].1), "outputs": outputs,
                "latency_ms": latency_ms,
                "plan": plan, "attempts": from.attempts, "decoded": from.decoded,
                "verified": from.verified.to_string(),
        });
        print(line.to_string())?;
        return Ok(());
    }
    let label = label.map(|label| format!(" (label {label})")).unwrap_or_default();
    let verified = match from.verified {
        Verified::Off => "",
        Verified::Yes => ", verified",
        Verified::No => ", not verified",
        Verified::Pending => ", being verified",
    };
    let took = format!("[{latency_ms:.1} ms, plan {plan}{verified}]");
    let classes = |at: usize| {
        let float = matches!(answer.outputs[at].dtype(), DType::F32 | DType::F16 | DType::F64);
        let digits = if float { 4 } else { 0 };
        let each = best(at).into_iter();
        each.map(|(class, value)| format!("{class}: {value:.digits$}"))
            .collect::<Vec<_>>()
            .join("  ")
    };
    if let [(_, at)] = shown {
        print(format!("input {index}{label}: {}  {took}", classes(*at)))?;
        return Ok(());
    }
    print(format!("input {index}{label}:  {took}"))?;
    for (port, at) in shown {
        let shape = answer.outputs[*at].shape();
        print(format!("  {} {} {shape:?}: {}", port.name, port.dtype, classes(*at)))?;
    }
    Ok(())
}

/// The outputs that are asked for, with their places in an answer.
fn shown<'a>(all: &'a [Port], names: &[String]) -> anyhow::Result<Vec<(&'a Port, usize)>> {
    if names.is_empty() {
        return Ok(all.iter().enumerate().map(|(at, port)| (port, at)).collect());
    }
    let place = |name: &String| {
        let at = all.iter().position(|port| port.name == *name);
        let known = || all.iter().map(|port| port.name.as_str()).collect::<Vec<_>>().join(", ");
        let at =
            at.with_context(|| format!("the model has no output {name}, it has {}", known()))?;
        Ok((&all[at], at))
    };
    names.iter().map(place).collect()
}

/// All answers' outputs, those of several one behind the other.
fn stacked(
    shown: &[(&Port, usize)],
    answers: &[Vec<Tensor>],
) -> anyhow::Result<Vec<(String, Tensor)>> {
    let stack = |(port, at): &(&Port, usize)| {
        let mut shape = port.shape.clone();
        match shape.first_mut() {
            _ if answers.len() == 1 => {}
            Some(first) if *first == 1 => *first = answers.len(),
            _ => shape.insert(0, answers.len()),
        }
        let data: Vec<u8> =
            answers.iter().flat_map(|outputs| outputs[*at].data().iter().copied()).collect();
        Ok((port.name.clone(), Tensor::new(port.dtype, shape, data.into())?))
    };
    shown.iter().map(stack).collect()
}
