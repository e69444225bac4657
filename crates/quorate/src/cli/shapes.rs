//! Shapes that a model leaves open, as the command line says them.

use clap::Args;
use quorate::bundle::Shapes;

/// Shapes that a model leaves open.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ShapeArgs {
    /// Shape of an input that the model leaves open, as in x=1,3,224,224; once
    /// for each input.
    #[arg(long = "shape", value_name = "INPUT=D,D,…", value_parser = shape)]
    pub shapes: Vec<(String, Vec<usize>)>,
    /// Length of a dimension that the model gives a name, as in N=1.
    #[arg(long = "dim", value_name = "NAME=D", value_parser = dim)]
    pub dims: Vec<(String, usize)>,
    /// An input that is this number in every request, as in sr=16000: it is no
    /// input any more, and what depends on it alone is computed beforehand.
    #[arg(long = "fix", value_name = "INPUT=NUMBER", value_parser = fixed)]
    pub fixed: Vec<(String, f64)>,
}

impl ShapeArgs {
    /// As a reader of models wants them.
    pub(crate) fn shapes(&self) -> anyhow::Result<Shapes> {
        let shapes = Shapes {
            inputs: self.shapes.iter().cloned().collect(),
            dims: self.dims.iter().cloned().collect(),
            fixed: self.fixed.iter().cloned().collect(),
        };
        anyhow::ensure!(shapes.inputs.len() == self.shapes.len(), "--shape names an input twice");
        anyhow::ensure!(shapes.dims.len() == self.dims.len(), "--dim names a dimension twice");
        Ok(shapes)
    }
}

fn length(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(0) => Err("a length of 0: inputs without values are not run".to_owned()),
        Ok(length) => Ok(length),
        Err(_) => Err(format!("\"{text}\" is no length")),
    }
}

fn split(text: &str) -> Result<(String, &str), String> {
    match text.rsplit_once('=') {
        Some((name, rest)) if !name.is_empty() => Ok((name.to_owned(), rest)),
        _ => Err("no name before =".to_owned()),
    }
}

fn shape(text: &str) -> Result<(String, Vec<usize>), String> {
    let (name, list) = split(text)?;
    if list.is_empty() {
        return Ok((name, Vec::new()));
    }
    let lengths = list.split([',', 'x']).map(length).collect::<Result<_, _>>()?;
    Ok((name, lengths))
}

fn dim(text: &str) -> Result<(String, usize), String> {
    let (name, number) = split(text)?;
    Ok((name, length(number)?))
}

/// `INPUT=NUMBER`.
pub(crate) fn fixed(text: &str) -> Result<(String, f64), String> {
    let (name, number) = split(text)?;
    let number: f64 = number.parse().map_err(|_| format!("\"{number}\" is no number"))?;
    Ok((name, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_as_they_are_written() {
        assert_eq!(shape("x=1,3,2"), Ok(("x".to_owned(), vec![1, 3, 2])));
        assert_eq!(shape("a=b:0=1x3"), Ok(("a=b:0".to_owned(), vec![1, 3])));
        assert_eq!(shape("x="), Ok(("x".to_owned(), vec![])));
        assert_eq!(dim("N=4"), Ok(("N".to_owned(), 4)));
        for bad in ["x", "=1", "x=0", "x=1,,2", "x=-1"] {
            assert!(shape(bad).is_err(), "{bad}");
        }
    }
}
