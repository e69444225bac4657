//! Which forms of operators an engine computes as ONNX Runtime does: the table
//! of what is let through.
//!
//! A form is proven where a case that uses it comes out right and none comes out
//! wrong. Of a wrong case those forms are to blame that no right case vouches
//! for; where there are none, it is the case itself that is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use quorate_model::form::Form;

use crate::import::{Case, Outcome};

/// What cases say of one form.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Cases that came out right.
    pub right: usize,
    /// One that did not, where no other form of it can be blamed.
    pub against: Option<String>,
}

/// Forms and what is known of them, and cases that nothing explains.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// By the form's words.
    pub forms: BTreeMap<String, Evidence>,
    /// Cases that were wrong though each of their forms is right elsewhere.
    pub unexplained: Vec<String>,
}

impl Proof {
    /// What these cases prove. `progress` gets the number of cases tried.
    pub fn of(cases: &[Case], progress: &mut dyn FnMut(usize)) -> Proof {
        let mut proof = Proof::default();
        let mut wrong: Vec<(String, BTreeSet<String>, String)> = Vec::new();
        for (at, case) in cases.iter().enumerate() {
            let (outcome, forms) = case.with_forms();
            let words: BTreeSet<String> =
                forms.into_iter().map(|Form { words, .. }| words).collect();
            match outcome {
                Outcome::Right { .. } => {
                    words.into_iter().for_each(|w| proof.forms.entry(w).or_default().right += 1);
                }
                // Refused while it was read: nothing of it reaches an engine.
                Outcome::Refused(_) if words.is_empty() => {}
                other => wrong.push((case.name.clone(), words, other.word().to_owned())),
            }
            progress(at + 1);
        }
        for (name, words, what) in wrong {
            let open: Vec<String> = words
                .into_iter()
                .filter(|w| proof.forms.get(w).is_none_or(|evidence| evidence.right == 0))
                .collect();
            if open.is_empty() {
                proof.unexplained.push(format!("{name}: {what}"));
            }
            for words in open {
                let evidence = proof.forms.entry(words).or_default();
                evidence.against.get_or_insert_with(|| format!("{name}: {what}"));
            }
        }
        proof
    }

    /// The proven forms, one a line, for an engine to look up.
    pub fn table(&self, heading: &str) -> String {
        let mut text = format!("# {heading}\n");
        for (words, evidence) in &self.forms {
            if evidence.right > 0 && evidence.against.is_none() {
                text.push_str(words);
                text.push('\n');
            }
        }
        text
    }

    /// The same for readers, with what is not proven and why.
    pub fn page(&self, heading: &str) -> String {
        let mut text = format!("# Operators\n\n{heading}\n\n");
        text.push_str("| form | cases | |\n| --- | --- | --- |\n");
        for (words, Evidence { right, against }) in &self.forms {
            let why = against.as_deref().unwrap_or("").replace('|', "\\|");
            let why: String = why.chars().take(160).collect();
            // Writing to a text does not fail.
            let _ = writeln!(text, "| {words} | {right} | {why} |");
        }
        text
    }
}
