//! Glue: the nodes without weights.

use quorate_model::onnx::{int_attribute, ints_attribute};

use super::{Net, Slide, Value};
use crate::zoo::weights::Fill;

impl Net {
    /// max(x, 0).
    pub(crate) fn relu(&mut self, x: &Value) -> Value {
        let made = (x.shape.clone(), x.square / 2.0);
        self.node("Relu", &format!("{}.relu", x.name), &[&x.name], Vec::new(), made)
    }

    /// The largest of each window of a value that comes from a ReLU.
    pub(crate) fn max_pool(&mut self, x: &Value, window: &Slide) -> Value {
        let mut shape = x.shape[..2].to_vec();
        shape.extend(window.slide(&x.shape));
        // The largest of n normal numbers: 1.6 for 4, 2.4 for 8, each against
        // the 0.5 that one leaves behind a ReLU; neighbours are alike, so less.
        let n: usize = window.kernel.iter().product();
        let square = x.square * (1.0 + 0.8 * n.ilog2() as f32);
        let name = format!("{}.pool", x.name);
        self.node("MaxPool", &name, &[&x.name], window.attributes(), (shape, square))
    }

    /// The mean over all spatial dimensions of a value that comes from a ReLU.
    pub(crate) fn global_average_pool(&mut self, x: &Value) -> Value {
        let mut shape = x.shape[..2].to_vec();
        shape.resize(x.shape.len(), 1);
        let name = format!("{}.mean", x.name);
        let made = (shape, 0.6 * x.square);
        self.node("GlobalAveragePool", &name, &[&x.name], Vec::new(), made)
    }

    /// All but the batch in one dimension.
    pub(crate) fn flatten(&mut self, x: &Value) -> Value {
        let made = (vec![x.shape[0], x.shape[1..].iter().product()], x.square);
        let attributes = vec![int_attribute("axis", 1)];
        self.node("Flatten", &format!("{}.flat", x.name), &[&x.name], attributes, made)
    }

    /// The sum of two values of one shape.
    pub(crate) fn sum(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        let made = (a.shape.clone(), a.square + b.square);
        self.node("Add", name, &[&a.name, &b.name], Vec::new(), made)
    }

    /// `values` one after the other along `axis`.
    pub(crate) fn concat(&mut self, name: &str, values: &[&Value], axis: usize) -> Value {
        let mut shape = values[0].shape.clone();
        shape[axis] = values.iter().map(|v| v.shape[axis]).sum();
        let square = values.iter().map(|v| v.square).sum::<f32>() / values.len() as f32;
        let names: Vec<&str> = values.iter().map(|v| v.name.as_str()).collect();
        let attributes = vec![int_attribute("axis", axis as i64)];
        self.node("Concat", name, &names, attributes, (shape, square))
    }

    /// `x` in parts of these lengths along `axis`.
    pub(crate) fn split(&mut self, x: &Value, axis: usize, parts: &[(&str, usize)]) -> Vec<Value> {
        let name = format!("{}.split", x.name);
        let lengths: Vec<usize> = parts.iter().map(|p| p.1).collect();
        let lengths = self.list(format!("{name}.lengths"), &lengths);
        let outputs = parts.iter().map(|p| p.0.to_owned()).collect();
        let attributes = vec![int_attribute("axis", axis as i64)];
        self.add("Split", &name, &[&x.name, &lengths], attributes, outputs);
        let mut part = |&(name, length): &(&str, usize)| {
            let mut shape = x.shape.clone();
            shape[axis] = length;
            self.declare(name, shape, x.square)
        };
        parts.iter().map(&mut part).collect()
    }

    /// The same elements in another shape.
    pub(crate) fn reshape(&mut self, name: &str, x: &Value, shape: &[usize]) -> Value {
        let dims = self.list(format!("{name}.shape"), shape);
        let made = (shape.to_vec(), x.square);
        self.node("Reshape", name, &[&x.name, &dims], Vec::new(), made)
    }

    /// Dimensions in another order.
    pub(crate) fn transpose(&mut self, name: &str, x: &Value, perm: &[usize]) -> Value {
        let ints: Vec<i64> = perm.iter().map(|&p| p as i64).collect();
        let made = (perm.iter().map(|&p| x.shape[p]).collect(), x.square);
        self.node("Transpose", name, &[&x.name], vec![ints_attribute("perm", &ints)], made)
    }

    /// The product of two values, over the last two dimensions.
    pub(crate) fn product(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        let mut shape = a.shape.clone();
        let inner = shape.pop().expect("a value of two dimensions or more");
        shape.push(b.shape[b.shape.len() - 1]);
        let square = a.square * b.square * inner as f32;
        self.node("MatMul", name, &[&a.name, &b.name], Vec::new(), (shape, square))
    }

    /// The product with one number.
    pub(crate) fn scale(&mut self, name: &str, x: &Value, by: f32) -> Value {
        let fill = Fill::Uniform(by, by);
        let factor = self.weight(format!("{name}.factor"), &[], fill, false);
        let made = (x.shape.clone(), x.square * by * by);
        self.node("Mul", name, &[&x.name, &factor], Vec::new(), made)
    }

    /// Softmax over the last dimension, of values of variance 1.
    pub(crate) fn softmax(&mut self, name: &str, x: &Value) -> Value {
        // n normal numbers: the mean square of their softmax is about e / n^2.
        let n = x.shape[x.shape.len() - 1] as f32;
        let made = (x.shape.clone(), 2.7 / (n * n));
        self.node("Softmax", name, &[&x.name], vec![int_attribute("axis", -1)], made)
    }

    /// The mean over one dimension, which is dropped.
    pub(crate) fn mean(&mut self, name: &str, x: &Value, axis: usize) -> Value {
        let mut shape = x.shape.clone();
        let length = shape.remove(axis) as f32;
        let attributes = vec![ints_attribute("axes", &[axis as i64]), int_attribute("keepdims", 0)];
        let made = (shape, x.square * (0.2 + 0.8 / length));
        self.node("ReduceMean", name, &[&x.name], attributes, made)
    }

    /// x * (1 + erf(x / sqrt(2))) / 2, in the operators that PyTorch exports.
    pub(crate) fn gelu(&mut self, x: &Value) -> Value {
        let name = |part: &str| format!("{}.{part}", x.name);
        let inner = self.scale(&name("gelu.inner"), x, std::f32::consts::FRAC_1_SQRT_2);
        let made = (x.shape.clone(), 0.3);
        let erf = self.node("Erf", &name("gelu.erf"), &[&inner.name], Vec::new(), made);
        let fill = Fill::Uniform(1.0, 1.0);
        let one = self.weight(name("gelu.one"), &[], fill, false);
        let made = (x.shape.clone(), 1.3);
        let gate = self.node("Add", &name("gelu.gate"), &[&erf.name, &one], Vec::new(), made);
        let half = self.scale(&name("gelu.half"), x, 0.5);
        let made = (x.shape.clone(), 0.42 * x.square);
        self.node("Mul", &name("gelu"), &[&half.name, &gate.name], Vec::new(), made)
    }
}
