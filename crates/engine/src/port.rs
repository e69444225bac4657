//! Name, type and shape of one input or output of a task.

use quorate_model::tensor::{DType, Tensor};

use crate::EngineError;

/// Name, type and shape of one input or output of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The ONNX value's name.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Length of each dimension. A symbolic batch dimension is 1.
    pub shape: Vec<usize>,
}

impl Port {
    /// Whether `tensor` may enter here.
    pub fn check(&self, tensor: &Tensor) -> Result<(), EngineError> {
        if tensor.dtype() != self.dtype {
            return Err(EngineError::InputType {
                port: self.name.clone(),
                got: tensor.dtype(),
                expected: self.dtype,
            });
        }
        if tensor.shape() != self.shape {
            return Err(EngineError::InputShape {
                port: self.name.clone(),
                got: tensor.shape().to_vec(),
                expected: self.shape.clone(),
            });
        }
        Ok(())
    }
}

/// Checks every input of a run against `ports`; `model` is for the message.
pub(crate) fn check_inputs(
    model: &str,
    ports: &[Port],
    inputs: &[Tensor],
) -> Result<(), EngineError> {
    if inputs.len() != ports.len() {
        return Err(EngineError::InputCount {
            model: model.to_owned(),
            got: inputs.len(),
            expected: ports.len(),
        });
    }
    ports.iter().zip(inputs).try_for_each(|(port, tensor)| port.check(tensor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> Port {
        Port { name: "image".into(), dtype: DType::F32, shape: vec![1, 2] }
    }

    #[test]
    fn only_its_own_type_and_shape_enter() {
        let fits = Tensor::from_f32(vec![1, 2], &[0.0, 1.0]).unwrap();
        let turned = Tensor::from_f32(vec![2, 1], &[0.0, 1.0]).unwrap();
        let bytes = Tensor::new(DType::U8, vec![1, 2], vec![0, 1].into()).unwrap();
        let cases = [
            (vec![fits.clone()], None),
            (vec![turned], Some("input image has shape [2, 1], expected [1, 2]")),
            (vec![bytes], Some("input image is u8, expected f32")),
            (vec![], Some("task net got 0 inputs, expected 1")),
            (vec![fits.clone(), fits], Some("task net got 2 inputs, expected 1")),
        ];
        for (inputs, message) in cases {
            let got = check_inputs("net", &[port()], &inputs).err().map(|e| e.to_string());
            assert_eq!(got.as_deref(), message);
        }
    }
}
