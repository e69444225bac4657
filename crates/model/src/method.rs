//! The ways to split a layer over devices: the paper's table 1.
//!
//! The paper's table says of filter splitting that it divides the output; by
//! its section 4 each device makes a partial sum of all output elements, as in
//! input splitting, and so it stands here.

use std::fmt;
use std::str::FromStr;

use crate::layer::{Kind, Layer};

/// How a stage is divided. `Output` and `Input` are for fully-connected layers,
/// `Channel`, `Spatial` and `Filter` for convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Fully connected: each device makes some outputs, from the whole input.
    Output,
    /// Fully connected: each device reads some inputs; the results are added.
    Input,
    /// Convolution: each device has some filters and makes their channels.
    Channel,
    /// Convolution: each device makes a part of every channel's area.
    Spatial,
    /// Convolution: each device has some channels of every filter; the
    /// results are added.
    Filter,
    /// Not at all: one device computes the stage, be it one layer or many.
    Whole,
}

/// A word that names no method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("method {got:?} is none of output, input, channel, spatial, filter, whole")]
pub struct MethodError {
    /// The word.
    pub got: String,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Output => "output",
            Method::Input => "input",
            Method::Channel => "channel",
            Method::Spatial => "spatial",
            Method::Filter => "filter",
            Method::Whole => "whole",
        })
    }
}

impl FromStr for Method {
    type Err = MethodError;

    fn from_str(word: &str) -> Result<Method, MethodError> {
        let mut all = Method::ALL.into_iter().chain([Method::Whole]);
        all.find(|m| m.to_string() == word).ok_or_else(|| MethodError { got: word.to_owned() })
    }
}

/// When the code of a method can be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codable {
    /// Parity weights are made once, before any request.
    Offline,
    /// Weights are whole on each device; a parity device adds up inputs.
    AtRunTime,
    /// No parity device can stand in; only replicas can.
    No,
}

/// What a method divides in one layer, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The method.
    pub method: Method,
    /// Each device needs only a part of the layer's input.
    pub divides_input: bool,
    /// Each device holds only a part of the weights.
    pub divides_weight: bool,
    /// Each device makes only a part of the output, not a term of a sum.
    pub divides_output: bool,
    /// When the code can be computed.
    pub codable: Codable,
    /// Why, in a sentence.
    pub why: &'static str,
    /// Most shards that are not empty.
    pub shards_max: usize,
}

impl Method {
    /// The methods that divide a layer, in the order of the paper's table 1.
    pub const ALL: [Method; 5] =
        [Method::Output, Method::Input, Method::Channel, Method::Spatial, Method::Filter];

    /// Is it for layers of this kind?
    pub fn is_for(self, kind: Kind) -> bool {
        match self {
            Method::Output | Method::Input => kind == Kind::Fc,
            Method::Channel | Method::Spatial | Method::Filter => kind != Kind::Fc,
            Method::Whole => true,
        }
    }

    /// When its code can be computed.
    pub fn codable(self) -> Codable {
        match self {
            Method::Output | Method::Channel => Codable::Offline,
            Method::Spatial => Codable::AtRunTime,
            Method::Input | Method::Filter | Method::Whole => Codable::No,
        }
    }

    /// Why it can, or cannot, be coded so: a sentence.
    pub fn why(self) -> &'static str {
        match self {
            Method::Output | Method::Channel => {
                "the whole input meets divided weights, so a combination of weights gives the \
                 same combination of outputs"
            }
            Method::Spatial => {
                "weights are not divided, so inputs must be combined for each request"
            }
            Method::Input | Method::Filter => {
                "outputs are partial sums of different inputs; no combination of weights made \
                 before a request stands for a lost one"
            }
            Method::Whole => "nothing is divided, so a combination would be the whole again",
        }
    }

    /// Whether it divides the input, the weights, the output.
    pub fn divides(self) -> [bool; 3] {
        match self {
            Method::Output | Method::Channel => [false, true, true],
            Method::Spatial => [true, false, true],
            Method::Input | Method::Filter => [true, true, false],
            Method::Whole => [false, false, false],
        }
    }

    /// What this method does to `layer`; `None` where it is for another kind.
    pub fn split(self, layer: &Layer) -> Option<Split> {
        if !self.is_for(layer.kind) {
            return None;
        }
        let [divides_input, divides_weight, divides_output] = self.divides();
        let area = || layer.output_shape[2..].iter().fold(1usize, |n, &d| n.saturating_mul(d));
        let shards_max = match self {
            Method::Output | Method::Channel => layer.rows,
            Method::Input | Method::Filter => layer.columns,
            Method::Spatial => area(),
            Method::Whole => 1,
        };
        let (codable, why) = (self.codable(), self.why());
        Some(Split {
            method: self,
            divides_input,
            divides_weight,
            divides_output,
            codable,
            why,
            shards_max,
        })
    }
}
