//! The forms of operators that a bundle's tasks use, and whether an engine is
//! known to compute them right.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail};
use quorate_engine::Engine;
use quorate_model::form::{Form, forms};
use quorate_model::stage::Staged;

/// Name of the list of forms in each folder of a bundle.
const FORMS_FILE: &str = "forms.txt";
/// Longest list that is read.
const FORMS_BYTES_MAX: u64 = 1 << 20;
/// Forms named in an error.
const NAMED: usize = 3;

/// What can be done about forms that an engine was not proven in.
const REMEDY: &str = "install ONNX Runtime's library and use --engine onnxruntime (see README.md), \
                      or export the model with other operators";

/// Refuses a model with nodes in forms that `engine` was never seen to compute
/// right.
pub fn check_forms(staged: &Staged, engine: &dyn Engine) -> anyhow::Result<()> {
    let all = forms(&staged.model);
    let unproven: Vec<&Form> = all.iter().filter(|form| !engine.is_proven(&form.words)).collect();
    if unproven.is_empty() {
        return Ok(());
    }
    let name = |form: &&Form| format!("node {} ({})", form.node, form.words);
    let named: Vec<String> = unproven.iter().take(NAMED).map(name).collect();
    let more = unproven.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    bail!(
        "{} is not known to compute {}{more} as ONNX Runtime does: {REMEDY}",
        engine.name(),
        named.join(", ")
    )
}

/// Notes the forms of `staged` in a folder.
pub(super) fn write(staged: &Staged, folder: &Path) -> anyhow::Result<()> {
    let words: BTreeSet<String> = forms(&staged.model).into_iter().map(|f| f.words).collect();
    let text: String = words.iter().map(|words| format!("{words}\n")).collect();
    let path = folder.join(FORMS_FILE);
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// Refuses a folder whose tasks `engine` is not known to compute right. A folder
/// without a list was packed before there were any.
pub(super) fn check(folder: &Path, engine: &dyn Engine) -> anyhow::Result<()> {
    let path = folder.join(FORMS_FILE);
    let Ok(found) = std::fs::metadata(&path) else { return Ok(()) };
    anyhow::ensure!(found.len() <= FORMS_BYTES_MAX, "{}: too long", path.display());
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    match text.lines().find(|words| !engine.is_proven(words)) {
        None => Ok(()),
        Some(words) => bail!(
            "{} holds tasks with {words}, which {} is not known to compute as ONNX Runtime does: \
             {REMEDY}",
            folder.display(),
            engine.name()
        ),
    }
}
