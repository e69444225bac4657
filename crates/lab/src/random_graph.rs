//! Graphs drawn by seed: layers, and all kinds of nodes between them.

use prost::Message;
use quorate::random::SplitMix;
use quorate_model::onnx::{
    AttributeProto, GraphProto, NodeProto, ValueInfoProto, float_attribute, inline_tensor,
    int_attribute, ints_attribute, model, text_attribute, value_info,
};
use quorate_model::tensor::{DType, Tensor};

/// Largest number of elements of a value.
const ELEMENTS_MAX: usize = 3000;

/// Opsets that graphs are drawn in.
const OPSETS: &[i64] = &[11, 13, 17, 18, 20];

/// A value that a graph has so far.
#[derive(Clone, Debug)]
struct Made {
    name: String,
    shape: Vec<usize>,
}

/// A graph that grows.
struct Growing {
    random: SplitMix,
    opset: i64,
    graph: GraphProto,
    values: Vec<Made>,
    count: usize,
}

/// Name and shape of the input of the graph of `seed`.
pub fn input(seed: u64) -> (String, Vec<usize>) {
    ("x".to_owned(), begin(seed).2)
}

fn begin(seed: u64) -> (SplitMix, i64, Vec<usize>) {
    let mut random = SplitMix::new(seed.wrapping_mul(7919).wrapping_add(17));
    let opset = OPSETS[random.below(OPSETS.len())];
    let shape = match random.below(4) {
        0 => vec![1, 2 + random.below(30)],
        1 => vec![1, 1 + random.below(6), 4 + random.below(12)],
        _ => vec![1, 1 + random.below(6), 5 + random.below(9), 5 + random.below(9)],
    };
    (random, opset, shape)
}

/// The bytes of the graph of `seed`, which has about `nodes` nodes.
pub fn random_graph(seed: u64, nodes: usize) -> Vec<u8> {
    let (random, opset, shape) = begin(seed);
    let mut growing = Growing {
        random,
        opset,
        graph: GraphProto { name: Some("random".to_owned()), ..GraphProto::default() },
        values: vec![Made { name: "x".to_owned(), shape: shape.clone() }],
        count: 0,
    };
    growing.graph.input.push(value_info("x", DType::F32, &shape));
    growing.layer();
    for _ in 0..nodes {
        growing.step();
    }
    growing.finish()
}

impl Growing {
    fn below(&mut self, limit: usize) -> usize {
        self.random.below(limit.max(1))
    }

    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// One of the last values, mostly the very last.
    fn pick(&mut self) -> Made {
        let back = if self.chance(3) { self.below(self.values.len().min(4)) } else { 0 };
        self.values[self.values.len() - 1 - back].clone()
    }

    fn fresh(&mut self, word: &str) -> String {
        self.count += 1;
        format!("{word}_{}", self.count)
    }

    fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        shape: Vec<usize>,
        attributes: Vec<AttributeProto>,
    ) {
        let name = self.fresh(&op.to_lowercase());
        self.graph.node.push(NodeProto {
            name: Some(format!("n_{name}")),
            op_type: Some(op.to_owned()),
            input: inputs.iter().map(|i| (*i).to_owned()).collect(),
            output: vec![name.clone()],
            attribute: attributes,
            ..NodeProto::default()
        });
        self.values.push(Made { name, shape });
    }

    fn floats(&mut self, shape: &[usize], scale: f32) -> String {
        let count: usize = shape.iter().product();
        let values: Vec<f32> =
            (0..count).map(|_| (self.random.below(2001) as f32 / 1000.0 - 1.0) * scale).collect();
        let tensor = Tensor::from_f32(shape.to_vec(), &values).expect("one value an element");
        self.constant(&tensor)
    }

    fn ints(&mut self, values: &[i64]) -> String {
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensor = Tensor::new(DType::I64, vec![values.len()], data.into());
        self.constant(&tensor.expect("one value an element"))
    }

    fn constant(&mut self, tensor: &Tensor) -> String {
        let name = self.fresh("c");
        let made = inline_tensor(&name, tensor.dtype(), tensor.shape(), tensor.data().clone());
        self.graph.initializer.push(made);
        name
    }

    /// A layer over the last value.
    fn layer(&mut self) {
        let x = self.pick();
        match x.shape.len() {
            3 | 4 if !self.chance(4) => self.conv(&x),
            _ => {
                let k = *x.shape.last().unwrap_or(&1);
                let n = 3 + self.below(12);
                let w = self.floats(&[k, n], 0.6);
                let mut shape = x.shape.clone();
                *shape.last_mut().expect("a dimension") = n;
                if x.shape.len() == 2 && self.chance(2) {
                    let turned = self.floats(&[n, k], 0.6);
                    let b = self.floats(&[n], 1.0);
                    let by_rows = vec![int_attribute("transB", 1)];
                    return self.node("Gemm", &[&x.name, &turned, &b], shape, by_rows);
                }
                self.node("MatMul", &[&x.name, &w], shape, Vec::new());
            }
        }
    }

    fn conv(&mut self, x: &Made) {
        let dims = x.shape.len() - 2;
        let c = x.shape[1];
        let depthwise = self.chance(4);
        let m = if depthwise { c } else { 3 + self.below(8) };
        let mut w = vec![m, if depthwise { 1 } else { c }];
        let (mut strides, mut pads, mut dilations) = (vec![], vec![0; 2 * dims], vec![]);
        let mut shape = vec![x.shape[0], m];
        for d in 0..dims {
            let length = x.shape[2 + d];
            let dilation = if self.chance(5) { 2 } else { 1 };
            let kernel = 1 + self.below(3.min((length - 1) / dilation + 1));
            let stride = 1 + self.below(2);
            let (before, after) = (self.below(kernel), self.below(kernel));
            pads[d] = before as i64;
            pads[d + dims] = after as i64;
            strides.push(stride as i64);
            dilations.push(dilation as i64);
            w.push(kernel);
            let extent = (kernel - 1) * dilation + 1;
            shape.push((length + before + after - extent) / stride + 1);
        }
        let weights = self.floats(&w, 0.5);
        let mut attributes = vec![
            ints_attribute("strides", &strides),
            ints_attribute("pads", &pads),
            ints_attribute("dilations", &dilations),
        ];
        if depthwise {
            attributes.push(int_attribute("group", c as i64));
        }
        let bias = self.floats(&[m], 0.5);
        let inputs = [x.name.as_str(), &weights, &bias];
        let count = if self.chance(2) { 3 } else { 2 };
        self.node("Conv", &inputs[..count], shape, attributes);
    }

    fn step(&mut self) {
        let x = self.pick();
        let elements: usize = x.shape.iter().product();
        if elements > ELEMENTS_MAX {
            return self.shrink(&x);
        }
        match self.below(16) {
            0 | 1 => self.layer(),
            2 | 3 => self.unary(&x),
            4 => self.parametric(&x),
            5 | 6 => self.binary(&x),
            7 => self.pool(&x),
            8 => self.slice(&x),
            9 => self.pad(&x),
            10 => self.transpose(&x),
            11 => self.reshape(&x),
            12 => self.reduce(&x),
            13 => self.resize(&x),
            14 => self.concat(&x),
            _ => self.normalize(&x),
        }
    }

    fn shrink(&mut self, x: &Made) {
        let axis = (0..x.shape.len()).max_by_key(|&d| x.shape[d]).unwrap_or(0);
        let keep = x.shape[axis].div_ceil(2);
        self.cut(x, axis, 0, keep as i64, 1);
    }

    fn unary(&mut self, x: &Made) {
        const OPS: &[&str] = &[
            "Relu",
            "Sigmoid",
            "Tanh",
            "Abs",
            "Neg",
            "Erf",
            "Softplus",
            "Softsign",
            "Exp",
            "Cos",
            "Sin",
            "Identity",
            "Atan",
            "HardSwish",
            "Sign",
            "Selu",
        ];
        let op = OPS[self.below(OPS.len())];
        if op == "HardSwish" && self.opset < 14 || op == "Exp" && !self.chance(3) {
            return self.node("Relu", &[&x.name], x.shape.clone(), Vec::new());
        }
        self.node(op, &[&x.name], x.shape.clone(), Vec::new());
    }

    fn parametric(&mut self, x: &Made) {
        let alpha = 0.1 + self.below(20) as f32 / 10.0;
        let (op, attributes) = match self.below(7) {
            0 => ("LeakyRelu", vec![float_attribute("alpha", alpha)]),
            1 => ("Elu", vec![float_attribute("alpha", alpha)]),
            2 => ("Celu", vec![float_attribute("alpha", alpha)]),
            3 => {
                ("HardSigmoid", vec![float_attribute("alpha", alpha), float_attribute("beta", 0.3)])
            }
            4 => ("ThresholdedRelu", vec![float_attribute("alpha", alpha)]),
            5 => {
                let low = self.floats(&[], 0.5);
                let high = self.floats(&[], 0.5);
                return self.node("Clip", &[&x.name, &low, &high], x.shape.clone(), Vec::new());
            }
            _ => {
                let mut shape = vec![1; x.shape.len()];
                if let Some(channels) = x.shape.get(1) {
                    shape[1] = *channels;
                }
                let slope = self.floats(&shape[1..], 0.5);
                return self.node("PRelu", &[&x.name, &slope], x.shape.clone(), Vec::new());
            }
        };
        self.node(op, &[&x.name], x.shape.clone(), attributes);
    }

    fn binary(&mut self, x: &Made) {
        const OPS: &[&str] = &["Add", "Sub", "Mul", "Max", "Min", "Add", "Mul"];
        let op = OPS[self.below(OPS.len())];
        let alike: Vec<Made> = self.values.iter().filter(|v| v.shape == x.shape).cloned().collect();
        if self.chance(2) {
            let other = alike[self.below(alike.len())].clone();
            return self.node(op, &[&x.name, &other.name], x.shape.clone(), Vec::new());
        }
        let mut shape = x.shape.clone();
        for length in &mut shape {
            if self.random.below(2) == 0 {
                *length = 1;
            }
        }
        let from = self.below(shape.len());
        let other = self.floats(&shape[from..], 1.0);
        let inputs = if self.chance(3) { [&other, &x.name] } else { [&x.name, &other] };
        self.node(op, &inputs.map(String::as_str), x.shape.clone(), Vec::new());
    }

    fn pool(&mut self, x: &Made) {
        if x.shape.len() < 3 {
            return self.unary(x);
        }
        let dims = x.shape.len() - 2;
        let most = self.chance(2);
        let ceil = self.chance(4);
        let (mut kernel, mut strides, mut pads) = (vec![], vec![], vec![0; 2 * dims]);
        let mut shape = x.shape[..2].to_vec();
        for d in 0..dims {
            let length = x.shape[2 + d];
            let k = 1 + self.below(3.min(length));
            let stride = 1 + self.below(2);
            let (before, after) = (self.below(k.div_ceil(2)), self.below(k.div_ceil(2)));
            pads[d] = before as i64;
            pads[d + dims] = after as i64;
            let room = length + before + after - k;
            let mut steps = if ceil { room.div_ceil(stride) } else { room / stride } + 1;
            if ceil && (steps - 1) * stride >= length + before {
                steps -= 1;
            }
            kernel.push(k as i64);
            strides.push(stride as i64);
            shape.push(steps);
        }
        let mut attributes = vec![
            ints_attribute("kernel_shape", &kernel),
            ints_attribute("strides", &strides),
            ints_attribute("pads", &pads),
            int_attribute("ceil_mode", ceil.into()),
        ];
        // ONNX Runtime counts differently what hangs over the end.
        if !most && !ceil && self.chance(2) {
            attributes.push(int_attribute("count_include_pad", 1));
        }
        self.node(if most { "MaxPool" } else { "AveragePool" }, &[&x.name], shape, attributes);
    }

    fn slice(&mut self, x: &Made) {
        let axis = self.below(x.shape.len());
        let length = x.shape[axis];
        let start = self.below(length);
        let step = [1, 1, 2, 3, -1, -2][self.below(6)];
        let end = match step > 0 {
            true => (start + 1 + self.below(length - start)) as i64,
            false => start as i64 - 1 - self.below(start + 1) as i64,
        };
        let end = if end < 0 { -(length as i64) - 1 } else { end };
        self.cut(x, axis, start as i64, end, step);
    }

    fn cut(&mut self, x: &Made, axis: usize, start: i64, end: i64, step: i64) {
        let length = x.shape[axis] as i64;
        let last = if end < 0 { -1 } else { end.min(length) };
        let span = if step > 0 { last - start } else { start - last };
        let count = span.max(0).unsigned_abs().div_ceil(step.unsigned_abs()) as usize;
        if count == 0 {
            return;
        }
        let mut shape = x.shape.clone();
        shape[axis] = count;
        let lists =
            [self.ints(&[start]), self.ints(&[end]), self.ints(&[axis as i64]), self.ints(&[step])];
        let [a, b, c, d] = &lists;
        self.node("Slice", &[&x.name, a, b, c, d], shape, Vec::new());
    }

    fn pad(&mut self, x: &Made) {
        let rank = x.shape.len();
        let mut pads = vec![0i64; 2 * rank];
        let mut shape = x.shape.clone();
        let mode = ["constant", "reflect", "edge"][self.below(3)];
        for d in 1..rank {
            let most = if mode == "reflect" { (shape[d] - 1).min(2) } else { 2 };
            let (before, after) = (self.below(most + 1), self.below(most + 1));
            (pads[d], pads[rank + d]) = (before as i64, after as i64);
            shape[d] += before + after;
        }
        let list = self.ints(&pads);
        let mode = vec![text_attribute("mode", mode)];
        self.node("Pad", &[&x.name, &list], shape, mode);
    }

    fn transpose(&mut self, x: &Made) {
        let rank = x.shape.len();
        let mut order: Vec<usize> = (0..rank).collect();
        let (a, b) = (self.below(rank), self.below(rank));
        order.swap(a, b);
        let shape = order.iter().map(|&d| x.shape[d]).collect();
        let perm: Vec<i64> = order.iter().map(|&d| d as i64).collect();
        self.node("Transpose", &[&x.name], shape, vec![ints_attribute("perm", &perm)]);
    }

    fn reshape(&mut self, x: &Made) {
        let elements: usize = x.shape.iter().product();
        if self.chance(2) {
            let axis = self.below(x.shape.len());
            let left: usize = x.shape[..axis].iter().product();
            let flat = vec![int_attribute("axis", axis as i64)];
            return self.node("Flatten", &[&x.name], vec![left, elements / left], flat);
        }
        let by = [1, 2, 3, 4].into_iter().filter(|by| elements.is_multiple_of(*by));
        let by: Vec<usize> = by.collect();
        let by = by[self.below(by.len())];
        let list = self.ints(&[1, by as i64, -1]);
        self.node("Reshape", &[&x.name, &list], vec![1, by, elements / by], Vec::new());
    }

    fn reduce(&mut self, x: &Made) {
        if x.shape.len() < 3 {
            return self.unary(x);
        }
        const OPS: &[&str] =
            &["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare"];
        let op = OPS[self.below(OPS.len())];
        let axis = 1 + self.below(x.shape.len() - 1);
        let mut shape = x.shape.clone();
        shape[axis] = 1;
        if self.opset >= 18 {
            let axes = self.ints(&[axis as i64]);
            return self.node(op, &[&x.name, &axes], shape, Vec::new());
        }
        let axes = vec![ints_attribute("axes", &[axis as i64])];
        self.node(op, &[&x.name], shape, axes);
    }

    fn resize(&mut self, x: &Made) {
        if x.shape.len() != 4 {
            return self.transpose(x);
        }
        let mut sizes: Vec<i64> = x.shape.iter().map(|&d| d as i64).collect();
        sizes[2] = 1 + self.below(2 * x.shape[2]) as i64;
        sizes[3] = 1 + self.below(2 * x.shape[3]) as i64;
        let shape = sizes.iter().map(|&d| d as usize).collect();
        let list = self.ints(&sizes);
        let mode = ["nearest", "linear", "cubic"][self.below(3)];
        let place = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"];
        let place = place[self.below(place.len())];
        let attributes = vec![
            text_attribute("mode", mode),
            text_attribute("coordinate_transformation_mode", place),
        ];
        self.node("Resize", &[&x.name, "", "", &list], shape, attributes);
    }

    fn concat(&mut self, x: &Made) {
        let axis = self.below(x.shape.len());
        let fits = |v: &Made| {
            v.shape.len() == x.shape.len()
                && (0..x.shape.len()).all(|d| d == axis || v.shape[d] == x.shape[d])
        };
        let others: Vec<Made> = self.values.iter().filter(|v| fits(v)).cloned().collect();
        let other = others[self.below(others.len())].clone();
        let mut shape = x.shape.clone();
        shape[axis] += other.shape[axis];
        let attribute = vec![int_attribute("axis", axis as i64)];
        self.node("Concat", &[&x.name, &other.name], shape, attribute);
    }

    fn normalize(&mut self, x: &Made) {
        let rank = x.shape.len();
        let axis = self.below(rank);
        if rank >= 3 && self.chance(3) {
            let c = x.shape[1];
            let (scale, bias) = (self.floats(&[c], 1.0), self.floats(&[c], 1.0));
            // Of one value nothing is left but what rounding makes.
            let several = x.shape[2..].iter().product::<usize>() > 1;
            if self.chance(2) && several {
                let inputs = [x.name.as_str(), &scale, &bias];
                return self.node("InstanceNormalization", &inputs, x.shape.clone(), Vec::new());
            }
            let mean = self.floats(&[c], 1.0);
            let spread: Vec<f32> = (0..c).map(|i| 0.5 + i as f32).collect();
            let spread = Tensor::from_f32(vec![c], &spread).expect("one a channel");
            let spread = self.constant(&spread);
            let inputs = [x.name.as_str(), &scale, &bias, &mean, &spread];
            return self.node("BatchNormalization", &inputs, x.shape.clone(), Vec::new());
        }
        let at = vec![int_attribute("axis", axis as i64)];
        self.node("Softmax", &[&x.name], x.shape.clone(), at);
    }

    fn finish(mut self) -> Vec<u8> {
        let read: std::collections::BTreeSet<String> =
            self.graph.node.iter().flat_map(|node| node.input.iter().cloned()).collect();
        let made = self.values.iter().skip(1).filter(|value| !read.contains(&value.name));
        let outputs: Vec<ValueInfoProto> =
            made.map(|value| value_info(&value.name, DType::F32, &value.shape)).collect();
        self.graph.output = outputs;
        model(self.graph, self.opset).encode_to_vec()
    }
}
