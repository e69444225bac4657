//! Einsum of one or two values, as transposes and a matrix product.

use std::collections::BTreeMap;

use super::draft::{Draft, name};
use crate::graph::NodeError;
use crate::operator::typed_node::TypedNode;

/// A letter, or a dimension that an ellipsis stands for.
type Letter = u32;

/// What an equation says: letters of each input and of the output.
struct Equation {
    inputs: Vec<Vec<Letter>>,
    output: Vec<Letter>,
    lengths: BTreeMap<Letter, usize>,
}

/// Ellipsis dimensions are counted from the right, from this number down.
const ELLIPSIS: Letter = u32::MAX;

impl Equation {
    fn read(op: &TypedNode<'_>) -> Result<Equation, NodeError> {
        let text: String = op.node.text("equation", "")?.split_whitespace().collect();
        let bad = |what: &'static str| op.bad("equation", &text, what);
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (text.as_str(), None),
        };
        let terms: Vec<&str> = left.split(',').collect();
        if terms.len() != op.node.inputs.len() {
            return Err(bad("one term for each input"));
        }
        let mut lengths: BTreeMap<Letter, usize> = BTreeMap::new();
        let mut inputs = Vec::new();
        for (index, term) in terms.iter().enumerate() {
            let shape = &op.input(index)?.shape;
            let letters = letters(term, Some(shape.len()), 0).ok_or_else(|| bad("letters"))?;
            if letters.len() != shape.len() {
                return Err(bad("a letter for each dimension"));
            }
            for (&letter, &length) in letters.iter().zip(shape) {
                let known = lengths.entry(letter).or_insert(length);
                if *known == 1 {
                    *known = length;
                }
                if length != 1 && *known != length {
                    return Err(bad("one length for each letter"));
                }
            }
            inputs.push(letters);
        }
        let dots = lengths.keys().filter(|&&l| l > u32::MAX - 64).count();
        let output = match right {
            Some(right) => letters(right, None, dots).ok_or_else(|| bad("letters"))?,
            None => implied(&inputs, dots),
        };
        let known = |letter: &Letter| lengths.contains_key(letter);
        let mut seen = output.clone();
        seen.sort_unstable();
        seen.dedup();
        if !output.iter().all(known) || seen.len() != output.len() {
            return Err(bad("an output of letters of the inputs, each once"));
        }
        Ok(Equation { inputs, output, lengths })
    }

    fn shape(&self, letters: &[Letter]) -> Vec<usize> {
        letters.iter().map(|letter| self.lengths[letter]).collect()
    }
}

/// The letters of a term; an ellipsis stands for what is missing of `rank`, or
/// for `dots` dimensions.
fn letters(term: &str, rank: Option<usize>, dots: usize) -> Option<Vec<Letter>> {
    let single = |c: char| c.is_ascii_alphabetic().then_some(c as u32);
    let Some((before, after)) = term.split_once("...") else {
        return term.chars().map(single).collect();
    };
    let named = before.chars().count() + after.chars().count();
    let count = match rank {
        Some(rank) => rank.checked_sub(named)?,
        None => dots,
    };
    if count > 32 {
        return None;
    }
    let mut all: Vec<Letter> = before.chars().map(single).collect::<Option<_>>()?;
    all.extend((0..count as u32).rev().map(|back| ELLIPSIS - back));
    all.extend(after.chars().map(single).collect::<Option<Vec<_>>>()?);
    Some(all)
}

/// Without an arrow: the ellipsis, then the letters that stand once, sorted.
fn implied(inputs: &[Vec<Letter>], dots: usize) -> Vec<Letter> {
    let mut counts: BTreeMap<Letter, usize> = BTreeMap::new();
    inputs.iter().flatten().for_each(|&letter| *counts.entry(letter).or_default() += 1);
    let mut output: Vec<Letter> = (0..dots as u32).rev().map(|back| ELLIPSIS - back).collect();
    let once = counts.iter().filter(|(letter, count)| **letter < 128 && **count == 1);
    output.extend(once.map(|(letter, _)| *letter));
    output
}

/// A value and the letters of its dimensions.
struct Term {
    name: String,
    letters: Vec<Letter>,
}

/// Einsum as transposes and matrix products.
pub(crate) fn einsum(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Result<(), NodeError> {
    let equation = Equation::read(op)?;
    let repeated = equation
        .inputs
        .iter()
        .any(|letters| (1..letters.len()).any(|at| letters[..at].contains(&letters[at])));
    if repeated {
        let what = "a letter twice in one term".to_owned();
        return Err(NodeError::Unsupported { what });
    }
    let mut all: Option<Term> = None;
    for (index, letters) in equation.inputs.iter().enumerate() {
        let rest: Vec<Letter> = equation.inputs[index + 1..].iter().flatten().copied().collect();
        let needed = |l: &Letter| equation.output.contains(l) || rest.contains(l);
        let shape = &op.input(index)?.shape;
        let term = widened(draft, &equation, name(op, index)?, letters, shape)?;
        all = Some(match all {
            None => summed(draft, term, &|l| {
                needed(l) || equation.inputs[1..].iter().flatten().any(|o| o == l)
            })?,
            Some(left) => product(draft, &equation, left, term, &needed)?,
        });
    }
    let all = all.ok_or(NodeError::MissingInput { index: 0 })?;
    let order: Option<Vec<usize>> =
        equation.output.iter().map(|letter| all.letters.iter().position(|l| l == letter)).collect();
    let order = order.ok_or_else(|| op.bad("equation", "an output", "letters of the inputs"))?;
    let made = draft.transpose(&all.name, &order);
    draft.done(&made);
    Ok(())
}

/// A dimension of length 1 is repeated where its letter is longer elsewhere.
fn widened(
    draft: &mut Draft<'_>,
    equation: &Equation,
    value: &str,
    letters: &[Letter],
    shape: &[usize],
) -> Result<Term, NodeError> {
    let wide = equation.shape(letters);
    let mut name = value.to_owned();
    if wide != shape {
        let shape = draft.lengths("shape", &wide)?;
        name = draft.two("Expand", value, &shape);
    }
    Ok(Term { name, letters: letters.to_vec() })
}

/// Without the letters that nothing needs any more.
fn summed(
    draft: &mut Draft<'_>,
    term: Term,
    needed: &dyn Fn(&Letter) -> bool,
) -> Result<Term, NodeError> {
    let (kept, gone): (Vec<usize>, Vec<usize>) =
        (0..term.letters.len()).partition(|&d| needed(&term.letters[d]));
    if gone.is_empty() {
        return Ok(term);
    }
    let list: Vec<i64> = gone.iter().map(|&d| d as i64).collect();
    let axes = draft.list("axes", &list)?;
    let keep = crate::onnx::int_attribute("keepdims", 0);
    let name = draft.value("ReduceSum", &[&term.name, &axes], vec![keep]);
    Ok(Term { name, letters: kept.into_iter().map(|d| term.letters[d]).collect() })
}

/// One product: letters of both that are kept are a stack, letters of both that
/// are not are summed over.
fn product(
    draft: &mut Draft<'_>,
    equation: &Equation,
    left: Term,
    right: Term,
    needed: &dyn Fn(&Letter) -> bool,
) -> Result<Term, NodeError> {
    let both = |l: &Letter| left.letters.contains(l) && right.letters.contains(l);
    let left = Term { name: left.name.clone(), letters: left.letters.clone() };
    let right = {
        let own = right.letters.clone();
        let in_left = left.letters.clone();
        let keep = move |l: &Letter| needed(l) || in_left.contains(l);
        summed(draft, Term { name: right.name.clone(), letters: own }, &keep)?
    };
    let in_right = right.letters.clone();
    let left = summed(draft, left, &|l| needed(l) || in_right.contains(l))?;
    let stack: Vec<Letter> =
        left.letters.iter().copied().filter(|l| both(l) && needed(l)).collect();
    let inner: Vec<Letter> =
        left.letters.iter().copied().filter(|l| both(l) && !needed(l)).collect();
    let only = |term: &Term| -> Vec<Letter> {
        let shared = |l: &Letter| stack.contains(l) || inner.contains(l);
        term.letters.iter().copied().filter(|l| !shared(l)).collect()
    };
    let (rows, columns) = (only(&left), only(&right));
    let a = grouped(draft, equation, &left, [&stack, &rows, &inner])?;
    let b = grouped(draft, equation, &right, [&stack, &inner, &columns])?;
    let made = draft.main().value("MatMul", &[&a, &b], Vec::new());
    let letters: Vec<Letter> = stack.iter().chain(&rows).chain(&columns).copied().collect();
    let name = draft.reshape(&made, &equation.shape(&letters))?;
    Ok(Term { name, letters })
}

/// `term` as [stack .., first, second], the last two each one dimension.
fn grouped(
    draft: &mut Draft<'_>,
    equation: &Equation,
    term: &Term,
    groups: [&[Letter]; 3],
) -> Result<String, NodeError> {
    let order: Vec<usize> = groups
        .iter()
        .flat_map(|group| group.iter())
        .filter_map(|letter| term.letters.iter().position(|l| l == letter))
        .collect();
    let turned = draft.transpose(&term.name, &order);
    let mut shape = equation.shape(groups[0]);
    shape.push(equation.shape(groups[1]).iter().product());
    shape.push(equation.shape(groups[2]).iter().product());
    draft.reshape(&turned, &shape)
}
