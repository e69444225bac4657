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
//! | choose a code | [`Code`], [`IntegerCode`] |
//! | make parity weights | [`Code::encode_f32`], [`ParitySums`], [`IntegerCode::encode_i8`] |
//! | recover lost results | [`Code::decoder`] and [`Decoder`], [`IntegerCode::decoder`] and [`IntegerDecoder`] |
//! | keep decoders, split shards that arrived in part | [`DecoderCache`], [`IntegerDecoderCache`] |
//! | work on shards larger than memory | [`ParitySums`], [`IntegerCode::piece`] |
//! | find silent corruption | [`Code::verify_f32`], [`IntegerCode::verify_i32`] |
//! | know the error beforehand | [`Code::amplification`], [`chain_error`] |
//!
//! *Invariant:* nothing here opens a file or a socket, reads a clock or asks
//! the system for random numbers; the same input gives the same bits.

#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod cache;
mod chain;
mod code;
mod decoder;
mod encode;
mod error;
mod family;
mod field;
mod integer;
mod kernel;
mod mds;
mod pattern;
mod set;
mod solve;
mod turn;
mod verify;

pub use cache::{DecoderCache, IntegerDecoderCache, IntegerSegment, Segment};
pub use chain::{ChainError, ChainLayer, chain_error};
pub use code::Code;
pub use decoder::Decoder;
pub use encode::ParitySums;
pub use error::CodeError;
pub use integer::{IntegerCode, IntegerDecoder};
pub use pattern::{Coverage, Patterns};
pub use set::ShardSet;
pub use verify::{Rounding, Verdict};

/// Most shards, data and parity together, that a code may have.
pub const SHARDS_MAX: usize = 64;

/// Runs the README's examples as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
