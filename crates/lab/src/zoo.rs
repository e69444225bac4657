//! Models by name: the architectures that the paper and its field speak of,
//! with seeded weights, as ONNX files.
//!
//! Trained weights are in no way needed to time a model or to see that a lost
//! shard is recovered: what counts is shapes, and activations of a plausible
//! size.

mod alexnet;
mod c3d;
mod classifier;
mod fc;
mod low_res;
mod mlp;
mod net;
mod recurrent;
mod resnet;
mod transformer;
mod two_stream;
mod vgg;
mod weights;

use std::io::{self, Write};

pub use fc::{fc, fc_chain};
pub use net::Net;
use net::RecurrentOp;

/// How large a model is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// As published, or as is usual.
    Full,
    /// The same graph with fewer channels over a smaller input: a few
    /// megabytes at most.
    Small,
}

/// A model that can be made.
pub struct Entry {
    /// What it is asked for by.
    pub name: &'static str,
    /// What it is in full size.
    pub what: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    build: fn(Size) -> Net,
}

impl Entry {
    /// The network, its weights not made yet.
    pub fn net(&self, size: Size) -> Net {
        (self.build)(size)
    }
}

/// All models.
pub const ENTRIES: &[Entry] = &[
    Entry {
        name: "alexnet",
        what: "5 conv, 3 fc, 1,000 classes",
        source: "Krizhevsky 2014, as in torchvision",
        build: alexnet::alexnet,
    },
    Entry {
        name: "vgg16",
        what: "13 conv, 3 fc, 1,000 classes",
        source: "Simonyan and Zisserman 2015, as in torchvision",
        build: vgg::vgg16,
    },
    Entry {
        name: "c3d",
        what: "8 3-D conv, 3 fc over 16 frames, 101 classes",
        source: "Tran et al. 2015",
        build: c3d::c3d,
    },
    Entry {
        name: "resnet18",
        what: "residual blocks of two 3x3 conv, BatchNormalization",
        source: "He et al. 2016, as in torchvision",
        build: resnet::resnet18,
    },
    Entry {
        name: "resnet50",
        what: "bottleneck blocks, BatchNormalization",
        source: "He et al. 2016, as in torchvision (v1.5)",
        build: resnet::resnet50,
    },
    Entry {
        name: "resnext50",
        what: "bottleneck blocks, 3x3 conv in 32 groups, BatchNormalization",
        source: "Xie et al. 2017, as in torchvision (32x4d)",
        build: resnet::resnext50,
    },
    Entry {
        name: "two-stream",
        what: "5 conv, 1 fc over a 16x12 frame and over its optical flow, 2 fc, 51 classes",
        source: "after Hadidi et al. 2018 and Ryoo et al. 2018",
        build: two_stream::two_stream,
    },
    Entry {
        name: "low-res",
        what: "5 conv, 1 fc over a 16x12 frame, 2 fc, 51 classes",
        source: "after Ryoo et al. 2018",
        build: low_res::low_res,
    },
    Entry {
        name: "mlp",
        what: "3 fc over 784 pixels, 10 classes",
        source: "fc-2048 of the paper, section 2",
        build: mlp::mlp,
    },
    Entry {
        name: "lstm",
        what: "2 LSTM layers over 49 frames of 40 features, fc, 35 classes",
        source: "Hochreiter and Schmidhuber 1997",
        build: |size| recurrent::recurrent("lstm", RecurrentOp::Lstm, size),
    },
    Entry {
        name: "gru",
        what: "2 GRU layers over 49 frames of 40 features, fc, 35 classes",
        source: "Cho et al. 2014",
        build: |size| recurrent::recurrent("gru", RecurrentOp::Gru, size),
    },
    Entry {
        name: "rnn",
        what: "2 tanh RNN layers over 49 frames of 40 features, fc, 35 classes",
        source: "Elman 1990",
        build: |size| recurrent::recurrent("rnn", RecurrentOp::Rnn, size),
    },
    Entry {
        name: "transformer",
        what: "6 encoder layers of width 256 over 64 tokens, fc, 100 classes",
        source: "Vaswani et al. 2017, normalised first, GELU",
        build: transformer::transformer,
    },
];

/// A name that no model has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no model {name}; there are {known}")]
pub struct UnknownModel {
    /// The name asked for.
    pub name: String,
    /// All there are.
    pub known: String,
}

/// The model `name`.
pub fn find(name: &str) -> Result<&'static Entry, UnknownModel> {
    let names = || ENTRIES.iter().map(|e| e.name).collect::<Vec<_>>().join(", ");
    let found = ENTRIES.iter().find(|entry| entry.name == name);
    found.ok_or_else(|| UnknownModel { name: name.to_owned(), known: names() })
}

/// Prints what [`ENTRIES`] holds, by `size`.
pub fn print_list(size: Size, out: &mut impl Write) -> io::Result<()> {
    let header = ["name", "parameters", "bytes", "input"];
    writeln!(
        out,
        "{:11}  {:>11}  {:>11}  {:17}  what, in full size (source)",
        header[0], header[1], header[2], header[3]
    )?;
    for entry in ENTRIES {
        let net = entry.net(size);
        let input: Vec<String> = net.input_shape().iter().map(usize::to_string).collect();
        let (parameters, bytes) = (net.parameters(), net.weight_bytes());
        let (input, what, source) = (input.join("x"), entry.what, entry.source);
        writeln!(
            out,
            "{:11}  {parameters:>11}  {bytes:>11}  {input:17}  {what} ({source})",
            entry.name
        )?;
    }
    Ok(())
}
