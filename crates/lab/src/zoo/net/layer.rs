//! Layers: the nodes with weights.

use quorate_model::onnx::{float_attribute, int_attribute, ints_attribute};

use super::{Net, Value};
use crate::zoo::weights::Fill;

/// Deviation of a bias, where outputs have about 1.
const BIAS: f32 = 0.1;

/// Where a convolution or a pooling looks, one entry a spatial dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slide {
    /// Extent.
    pub(crate) kernel: Vec<usize>,
    /// Step.
    pub(crate) stride: Vec<usize>,
    /// Padding at each end.
    pub(crate) pad: Vec<usize>,
    /// Groups of channels, which convolutions keep apart.
    pub(crate) groups: usize,
}

impl Slide {
    /// The same along all `dims` dimensions.
    pub(crate) fn new(dims: usize, kernel: usize, stride: usize, pad: usize) -> Slide {
        let [kernel, stride, pad] = [kernel, stride, pad].map(|length| vec![length; dims]);
        Slide { kernel, stride, pad, groups: 1 }
    }

    /// The same in groups.
    pub(crate) fn in_groups(self, groups: usize) -> Slide {
        Slide { groups, ..self }
    }

    /// Lengths of what it makes of `shape`, without batch and channels.
    pub(super) fn slide(&self, shape: &[usize]) -> Vec<usize> {
        let along = |i: usize| (shape[i + 2] + 2 * self.pad[i] - self.kernel[i]) / self.stride[i];
        (0..self.kernel.len()).map(|i| along(i) + 1).collect()
    }

    pub(super) fn attributes(&self) -> Vec<quorate_model::onnx::AttributeProto> {
        let ints = |list: &[usize]| list.iter().map(|&v| v as i64).collect::<Vec<_>>();
        let pads: Vec<usize> = self.pad.iter().chain(&self.pad).copied().collect();
        vec![
            ints_attribute("kernel_shape", &ints(&self.kernel)),
            ints_attribute("strides", &ints(&self.stride)),
            ints_attribute("pads", &ints(&pads)),
        ]
    }
}

/// The deviation of weights that make variance 1 of `count` inputs.
fn deviation(count: usize, square: f32) -> f32 {
    (1.0 / (count as f32 * square)).sqrt()
}

impl Net {
    /// A convolution with bias.
    pub(crate) fn conv(&mut self, name: &str, x: &Value, rows: usize, window: &Slide) -> Value {
        self.any_conv(name, x, rows, window, true)
    }

    /// A convolution without bias and its BatchNormalization, whose weights
    /// lie around `scale`.
    pub(crate) fn conv_norm(
        &mut self,
        (conv, norm): (&str, &str),
        x: &Value,
        rows: usize,
        window: &Slide,
        scale: f32,
    ) -> Value {
        let x = self.any_conv(conv, x, rows, window, false);
        self.batch_norm(norm, &x, scale)
    }

    fn any_conv(
        &mut self,
        name: &str,
        x: &Value,
        rows: usize,
        window: &Slide,
        bias: bool,
    ) -> Value {
        let mut shape = vec![rows, x.shape[1] / window.groups];
        shape.extend(&window.kernel);
        let fill = Fill::Normal(deviation(shape[1..].iter().product(), x.square));
        let weight = self.weight(format!("{name}.weight"), &shape, fill, true);
        let mut made = vec![x.shape[0], rows];
        made.extend(window.slide(&x.shape));
        let mut attributes = window.attributes();
        if window.groups > 1 {
            attributes.push(int_attribute("group", window.groups as i64));
        }
        if !bias {
            return self.node("Conv", name, &[&x.name, &weight], attributes, (made, 1.0));
        }
        let bias = self.weight(format!("{name}.bias"), &[rows], Fill::Normal(BIAS), true);
        self.node("Conv", name, &[&x.name, &weight, &bias], attributes, (made, 1.0))
    }

    /// A BatchNormalization of an input of variance 1, with the statistics of
    /// channels that differ a little.
    fn batch_norm(&mut self, name: &str, x: &Value, scale: f32) -> Value {
        let channels = [x.shape[1]];
        let mut tensor = |what: &str, fill: Fill, trained: bool| {
            self.weight(format!("{name}.{what}"), &channels, fill, trained)
        };
        let inputs = [
            x.name.clone(),
            tensor("weight", Fill::Uniform(0.75 * scale, 1.25 * scale), true),
            tensor("bias", Fill::Normal(BIAS * scale), true),
            tensor("running_mean", Fill::Normal(BIAS), false),
            tensor("running_var", Fill::Uniform(0.7, 1.4), false),
        ];
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let attributes = vec![float_attribute("epsilon", 1e-5)];
        let made = (x.shape.clone(), scale * scale);
        self.node("BatchNormalization", name, &inputs, attributes, made)
    }

    /// A fully connected layer of [batch, inputs], stored row by row as
    /// PyTorch does.
    pub(crate) fn gemm(&mut self, name: &str, x: &Value, rows: usize) -> Value {
        let columns = x.shape[1];
        let fill = Fill::Normal(deviation(columns, x.square));
        let weight = self.weight(format!("{name}.weight"), &[rows, columns], fill, true);
        let bias = self.weight(format!("{name}.bias"), &[rows], Fill::Normal(BIAS), true);
        let attributes = vec![int_attribute("transB", 1)];
        let made = (vec![x.shape[0], rows], 1.0);
        self.node("Gemm", name, &[&x.name, &weight, &bias], attributes, made)
    }

    /// A MatMul of the last dimension by constant weights, and the Add of its
    /// bias.
    pub(crate) fn linear(&mut self, name: &str, x: &Value, columns: usize) -> Value {
        let mut shape = x.shape.clone();
        let inner = shape.pop().expect("a value of at least one dimension");
        shape.push(columns);
        let fill = Fill::Normal(deviation(inner, x.square));
        let weight = self.weight(format!("{name}.weight"), &[inner, columns], fill, true);
        let product = format!("{name}.product");
        let product =
            self.node("MatMul", &product, &[&x.name, &weight], Vec::new(), (shape.clone(), 1.0));
        let bias = self.weight(format!("{name}.bias"), &[columns], Fill::Normal(BIAS), true);
        self.node("Add", name, &[&product.name, &bias], Vec::new(), (shape, 1.0))
    }

    /// A LayerNormalization of the last dimension.
    pub(crate) fn layer_norm(&mut self, name: &str, x: &Value) -> Value {
        let length = [x.shape[x.shape.len() - 1]];
        let scale = self.weight(format!("{name}.weight"), &length, Fill::Uniform(0.75, 1.25), true);
        let bias = self.weight(format!("{name}.bias"), &length, Fill::Normal(BIAS), true);
        let attributes = vec![int_attribute("axis", -1), float_attribute("epsilon", 1e-5)];
        let made = (x.shape.clone(), 1.0);
        self.node("LayerNormalization", name, &[&x.name, &scale, &bias], attributes, made)
    }

    /// The sum of a value and trained constants of its shape, such as the
    /// embedding of positions.
    pub(crate) fn offset(&mut self, name: &str, x: &Value) -> Value {
        let fill = Fill::Normal(0.5);
        let constants = self.weight(format!("{name}.weight"), &x.shape, fill, true);
        let made = (x.shape.clone(), x.square + 0.25);
        self.node("Add", name, &[&x.name, &constants], Vec::new(), made)
    }
}
