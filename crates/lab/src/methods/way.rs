//! How the layers of a kind are divided.

use std::fmt;

use quorate_model::division::method::Method;

/// How layers of a kind are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a method of the paper's table 1, or not at all.
    Method(Method),
    /// A recurrent cell's steps are one stage, for a device and its replicas.
    CellWhole,
    /// The product of each step is divided by output.
    ByStep,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Method(method) => method.fmt(f),
            Way::CellWhole => f.write_str("cell whole"),
            Way::ByStep => f.write_str("by step"),
        }
    }
}
