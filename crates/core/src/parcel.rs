//! A tensor in the form it travels in.

use quorate_model::tensor::{DType, Tensor};

use crate::frame::Payload;

/// What a frame carries of a value, before it is known which frame.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<u32>,
    pub(crate) payload: Payload,
    /// Was it made of values that were decoded?
    pub(crate) of_decoded: bool,
}

impl Parcel {
    /// All of `tensor`.
    pub(crate) fn new(tensor: &Tensor) -> Parcel {
        Parcel {
            dtype: tensor.dtype(),
            shape: tensor.shape().iter().map(|&d| d as u32).collect(),
            payload: tensor.data().clone().into(),
            of_decoded: false,
        }
    }

    /// The same with its checksum computed, for one that will be sent.
    pub(crate) fn summed(self) -> Parcel {
        Parcel { payload: self.payload.summed(), ..self }
    }
}
