//! Classifiers of sequences by LSTM, GRU or Elman's RNN.

use super::Size;
use super::net::{Net, RecurrentOp};

/// Two recurrent layers over 49 frames of 40 features (a second of speech), to
/// the 35 words of Speech Commands.
pub(super) fn recurrent(name: &str, op: RecurrentOp, size: Size) -> Net {
    let (steps, hidden) = match size {
        Size::Full => (49, 512),
        Size::Small => (16, 96),
    };
    let mut net = Net::new(name);
    let x = net.input("frames", &[1, steps, 40]);
    // ONNX's recurrent operators have the steps first.
    let x = net.transpose("steps_first", &x, &[1, 0, 2]);
    let x = net.recurrent(&format!("{name}1"), &x, op, hidden);
    let x = net.last_state(&format!("{name}2"), &x, op, hidden);
    let y = net.gemm("fc", &x, 35);
    net.output(&y);
    net
}
