//! Erasure codes over real and integer numbers for coded computation.
//!
//! A linear layer's weights are split over N *data shards*; M *parity shards*
//! hold fixed linear combinations of them. Because the layer is linear, the
//! parities' outputs are the same combinations of the data shards' outputs,
//! and a lost output is a linear combination of those that arrived (Hadidi et
//! al., arXiv 2104.04447, section 5.2, equations 5 to 7).
//!
//! ```text
//! weights:  W0  W1  W2   W0+W1+W2        made once, offline
//! outputs:  y0  --  y2   p               y1 = p - y0 - y2
//! ```
//!
//! | to | use |
//! | --- | --- |
//! | choose a code | [`Code`], [`integer::IntegerCode`] |
//! | make parity weights | [`Code::encode_f32`], [`ParitySums`] for shards larger than memory |
//! | recover lost results | [`Code::decoder`] and [`Decoder`] |
//! | keep decoders, split shards that arrived in part | [`cache`] |
//! | find silent corruption | [`Code::verify_f32`], [`verify`] |
//! | know the error beforehand | [`Code::amplification`], [`chain`] |
//! | do all of this exactly, in integers | [`integer`] |
//! | know why it works | [`algorithm`] |
//!
//! *Invariant:* nothing here opens a file or a socket, reads a clock or asks
//! the system for random numbers; the same input gives the same bits.

#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod algorithm;
mod angle;
pub mod cache;
pub mod chain;
mod code;
mod decoder;
mod encode;
mod error;
mod family;
mod field;
pub mod integer;
mod kernel;
mod mds;
mod pattern;
mod set;
mod solve;
pub mod verify;

pub use code::Code;
pub use decoder::Decoder;
pub use encode::ParitySums;
pub use error::CodeError;
pub use pattern::{Coverage, Patterns};
pub use set::ShardSet;

/// Most shards, data and parity together, that a code may have.
pub const SHARDS_MAX: usize = 64;

/// Runs the README's examples as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
