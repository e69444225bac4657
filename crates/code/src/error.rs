//! What may be wrong with a request to this crate.

use alloc::string::String;

use crate::ShardSet;

/// Why a code could not be made or used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// A count of data shards outside of what the code supports.
    #[error("code {code} takes 1 to {max} data shards, got {data}")]
    DataShards {
        /// The code's name.
        code: &'static str,
        /// Data shards asked for.
        data: usize,
        /// Most that the code supports.
        max: usize,
    },
    /// A count of parity shards outside of what the code supports.
    #[error("code {code} over {data} data shards takes {min} to {max} parity shards, got {parity}")]
    ParityShards {
        /// The code's name.
        code: &'static str,
        /// Data shards asked for.
        data: usize,
        /// Parity shards asked for.
        parity: usize,
        /// Fewest that the code supports.
        min: usize,
        /// Most that the code supports.
        max: usize,
    },
    /// No code has this name.
    #[error("no code is called {name:?}; there are {known}")]
    UnknownName {
        /// The name asked for.
        name: String,
        /// The names that there are.
        known: &'static str,
    },
    /// A generator with the wrong number of coefficients.
    #[error("generator has {got} coefficients, {data} data shards need a multiple of {data}")]
    GeneratorLength {
        /// Coefficients given.
        got: usize,
        /// Data shards.
        data: usize,
    },
    /// A generator that holds an infinity or not a number.
    #[error("generator coefficient {index} is not finite")]
    GeneratorValue {
        /// Index of the coefficient, row after row.
        index: usize,
    },
    /// A parity shard that would hold nothing.
    #[error("generator row {parity} is all zeros")]
    GeneratorRow {
        /// The row.
        parity: usize,
    },
    /// The lost data shards cannot be computed from those received.
    #[error(
        "{name} code cannot recover data shards {missing} from shards {received}: lost {lost} of {shards}"
    )]
    NotDecodable {
        /// The code's name.
        name: &'static str,
        /// Data shards that did not arrive.
        missing: ShardSet,
        /// Shards that did.
        received: ShardSet,
        /// All shards that did not arrive.
        lost: ShardSet,
        /// Shards that the code has.
        shards: usize,
    },
    /// A shard index that the code does not have.
    #[error("shard {shard} is unknown, the code has {shards} shards")]
    UnknownShard {
        /// The index given.
        shard: usize,
        /// Shards that the code has.
        shards: usize,
    },
    /// A shard that this decoder does not recover.
    #[error("shard {shard} is not one of the missing data shards {missing}")]
    NotMissing {
        /// The index given.
        shard: usize,
        /// Shards that the decoder recovers.
        missing: ShardSet,
    },
    /// A parity shard that does not reach the end of the output.
    #[error("parity shard {shard} has {len} values, recovering {needed} needs as many")]
    ShortParity {
        /// The parity shard.
        shard: usize,
        /// Values that it has.
        len: usize,
        /// Values to be recovered.
        needed: usize,
    },
    /// Not as many slices as the code has shards.
    #[error("got {got} {what} shards, the code needs {needed}")]
    ShardCount {
        /// Which shards.
        what: &'static str,
        /// Slices given.
        got: usize,
        /// Slices needed.
        needed: usize,
    },
    /// A data shard that does not fit into the parity shards.
    #[error("data shard {shard} has {len} values, more than its parity with {parity}")]
    LongData {
        /// The data shard.
        shard: usize,
        /// Values that it has.
        len: usize,
        /// Values of the shortest parity shard.
        parity: usize,
    },
    /// A merged output that is not its shards one after the other.
    #[error("merged output has {got} values, its shards have {needed}")]
    MergedLength {
        /// Values that it has.
        got: usize,
        /// Values of the shards together.
        needed: usize,
    },
    /// A parity shard of an integer code that cannot be cut into its blocks.
    #[error("parity shard {shard} has {len} values, needs {needed} and a multiple of {blocks}")]
    Blocks {
        /// The parity shard.
        shard: usize,
        /// Values that it has.
        len: usize,
        /// Values of the other parity shards.
        needed: usize,
        /// Blocks that the code cuts shards into.
        blocks: usize,
    },
    /// Positions that a block of an integer code does not have.
    #[error("positions {start} to {end} are not within a block of {block} values")]
    Positions {
        /// The first position.
        start: usize,
        /// One past the last.
        end: usize,
        /// Values of a block.
        block: usize,
    },
}
