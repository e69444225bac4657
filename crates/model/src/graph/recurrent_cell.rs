//! Recurrent cells: what plain nodes were before they were unrolled.

/// A recurrent node of the file that was rewritten into plain nodes.
///
/// ```text
/// sequence --> projection --+-> piece 0 --> cell --+--> hidden 0
///                           |                      v
///                           +-> piece 1 --> cell <-- step 1
///                           |                ...
/// ```
///
/// A projection multiplies the whole sequence at once; a step multiplies the
/// state that the step before left. Both are layers. What else was made for
/// the node is glue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecurrentCell {
    /// The name of the node in the file.
    pub name: String,
    /// Its operator: `LSTM`, `GRU` or `RNN`.
    pub op: String,
    /// Names of the nodes that project the sequence, one a direction.
    pub projections: Vec<String>,
    /// Names of the nodes that multiply the state, each after those whose
    /// result it needs.
    pub steps: Vec<String>,
    /// Names of all nodes of each step, by direction, in the order in which the
    /// steps are taken.
    pub rounds: Vec<Vec<Vec<String>>>,
    /// The values `Y`, `Y_h` and `Y_c` of the node, as far as they are read.
    pub outputs: Vec<String>,
}
