//! `quorate inspect`: a model's stages, what each costs, how each can be
//! split, and how they hang together.
//!
//! ```text
//! costs                    what a stage is, and what a part of it costs
//!   page, object           as text, as JSON
//!   graph                  boxes and the values between them
//!     dot                  in Graphviz's language
//!     layout -> svg        where each box goes -> drawn
//! ```

mod costs;
mod dot;
mod graph;
mod layout;
mod object;
mod page;
mod svg;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use quorate::bundle::ModelFile;

use crate::cli;
use crate::words::print;

/// Most stages in a drawing; in one of more nothing can be found.
const DRAWN_MAX: usize = 2000;

/// How a graph is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Dot,
    Svg,
}

/// Runs the command.
pub(crate) fn run(args: &cli::Inspect) -> anyhow::Result<ExitCode> {
    let form = form(args)?;
    let model = ModelFile::open_with(&args.model, &args.shapes.shapes()?)?;
    let text = match form {
        None if args.json => object::object(&model, args.devices).to_string(),
        None => page::page(&model, args.devices),
        Some(form) => draw(&model, form)?,
    };
    match &args.output {
        Some(path) if path != Path::new("-") => {
            std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        _ => print(text.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The form of the graph asked for, if one is: by name, or by the file's
/// ending.
fn form(args: &cli::Inspect) -> anyhow::Result<Option<Form>> {
    let named = match (args.dot, args.svg) {
        (true, _) => Some(Form::Dot),
        (_, true) => Some(Form::Svg),
        _ => None,
    };
    let Some(path) = &args.output else { return Ok(named) };
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase);
    let by_ending = match ending.as_deref() {
        Some("svg") => Some(Form::Svg),
        Some("dot" | "gv") => Some(Form::Dot),
        _ => None,
    };
    match (named, by_ending) {
        (Some(named), Some(other)) if named != other => {
            bail!("{}: its ending asks for another form than --dot or --svg does", path.display())
        }
        (None, None) => bail!(
            "{}: a graph is written to files that end in .svg (a drawing), .dot or .gv \
             (Graphviz); other endings need --svg or --dot",
            path.display()
        ),
        (named, by_ending) => Ok(named.or(by_ending)),
    }
}

/// The graph of the stages of `model`.
fn draw(model: &ModelFile, form: Form) -> anyhow::Result<String> {
    let graph = graph::Graph::new(model);
    if form == Form::Dot {
        return Ok(dot::dot(&graph));
    }
    let stages = model.staged.stages.len();
    ensure!(stages <= DRAWN_MAX, "{stages} stages, at most {DRAWN_MAX} are drawn; --dot takes any");
    Ok(svg::svg(&graph))
}

#[cfg(test)]
mod tests;
