//! The ways to divide, by name: the paper's table 1, and `whole`.
//!
//! The paper's table says of filter splitting that it divides the output; by
//! its section 4 each device makes a partial sum of all output elements, as in
//! input splitting, and so it stands here.

use std::fmt;
use std::str::FromStr;

use super::facts::Facts;
use super::{Codable, bands, groups, rows, terms, tiles, whole};
use crate::layer::Layer;
use crate::stage::Stage;

/// How a stage is divided. `Output` and `Input` are for fully-connected layers,
/// `Channel`, `Spatial`, `Filter` and `Group` for convolutions, `Bands` for any
/// number of layers that make an area.
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
    /// Convolution in groups: each device has some groups.
    Group,
    /// Any number of layers: each device makes a part of every channel's area.
    Bands,
    /// Not at all: one device computes the stage, be it one layer or many.
    Whole,
}

/// A word that names no method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("method {got:?} is none of {}", names(Method::every()))]
pub struct MethodError {
    /// The word.
    pub got: String,
}

impl Method {
    /// The methods that divide a layer: those of the paper's table 1 in its order,
    /// then ours.
    pub(crate) const ALL: [Method; 7] = [
        Method::Output,
        Method::Input,
        Method::Channel,
        Method::Spatial,
        Method::Filter,
        Method::Group,
        Method::Bands,
    ];

    /// What is to be known of it.
    pub fn facts(self) -> &'static Facts {
        match self {
            Method::Output => &rows::OUTPUT,
            Method::Input => &terms::INPUT,
            Method::Channel => &rows::CHANNEL,
            Method::Spatial => &tiles::SPATIAL,
            Method::Filter => &terms::FILTER,
            Method::Group => &groups::GROUP,
            Method::Bands => &bands::BANDS,
            Method::Whole => &whole::WHOLE,
        }
    }

    /// Every method, `whole` as the last.
    pub fn every() -> impl Iterator<Item = Method> {
        Method::ALL.into_iter().chain([Method::Whole])
    }

    /// The methods that divide layers like `layer`.
    pub fn all_for(layer: &Layer) -> impl Iterator<Item = Method> + '_ {
        Method::ALL.into_iter().filter(|method| method.facts().family.contains(layer))
    }

    /// What `layer` is divided by where nothing else is asked for: the method
    /// that takes a code made offline, else one that divides its weights.
    pub fn default_for(layer: &Layer) -> Method {
        let first =
            |fits: fn(&Facts) -> bool| Method::all_for(layer).find(|method| fits(method.facts()));
        let coded = first(|facts| facts.codable == Codable::Offline);
        coded.or_else(|| first(|facts| facts.divides_weight)).unwrap_or(Method::Whole)
    }

    /// Can it divide `stage`? What was pooled has no tiles of its own, for
    /// instance: they would need their neighbours.
    pub fn fits(self, stage: &Stage) -> bool {
        let facts = self.facts();
        match stage.layer() {
            None => facts.family.has_stages(),
            Some(layer) => {
                facts.family.contains(layer)
                    && (stage.tail.is_empty() || facts.commutes_with_pooling)
            }
        }
    }
}

/// The methods' names with commas between.
pub fn names(methods: impl IntoIterator<Item = Method>) -> String {
    methods.into_iter().map(|method| method.facts().name).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().name)
    }
}

impl FromStr for Method {
    type Err = MethodError;

    fn from_str(word: &str) -> Result<Method, MethodError> {
        let mut every = Method::every();
        every.find(|m| m.facts().name == word).ok_or_else(|| MethodError { got: word.to_owned() })
    }
}
