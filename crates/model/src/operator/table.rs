//! The entries, by family.

use super::Fold::{Computed, Dequantized, FromTypes, Moved, Picked, Same};
use super::Work::{EachInput, Nothing, PerOutput};
use super::{Operator, Role, compute, conv, elementwise, layout, matmul, recurrent, reduce};
use crate::tensor::DType;

/// An operator that changes each element by itself: its output needs no more of
/// its input than the same place.
const fn each(name: &'static str) -> Operator {
    unary(name).same_place()
}

/// An operator with one output of the first input's type and shape.
const fn unary(name: &'static str) -> Operator {
    Operator::new(name, elementwise::unary)
}

const fn variadic(name: &'static str) -> Operator {
    Operator::new(name, elementwise::variadic)
}

const fn arithmetic(name: &'static str) -> Operator {
    variadic(name).fold(Computed(compute::arithmetic))
}

const fn comparison(name: &'static str) -> Operator {
    Operator::new(name, |op| elementwise::broadcast_all(op, Some(DType::Bool)))
}

const fn normalization(name: &'static str) -> Operator {
    Operator::new(name, elementwise::normalization)
}

const fn pool(name: &'static str) -> Operator {
    Operator::new(name, conv::pool).work(PerOutput(conv::pool_work))
}

const fn global_pool(name: &'static str) -> Operator {
    Operator::new(name, conv::global_pool).work(EachInput)
}

const fn reduction(name: &'static str) -> Operator {
    Operator::new(name, reduce::reduce).work(EachInput)
}

const fn recurrent(name: &'static str) -> Operator {
    Operator::new(name, recurrent::infer).role(Role::Recurrent)
}

const fn undivided(name: &'static str) -> Operator {
    Operator::declared(name).role(Role::Undivided)
}

pub(super) const OPERATORS: &[Operator] = &[
    // Layers, and what computes as much.
    Operator::new("Conv", conv::conv).work(PerOutput(conv::conv_work)).role(Role::Layer),
    Operator::new("Gemm", matmul::gemm).work(PerOutput(matmul::gemm_work)).role(Role::Layer),
    Operator::new("MatMul", matmul::matmul).work(PerOutput(matmul::matmul_work)).role(Role::Layer),
    recurrent("LSTM"),
    recurrent("GRU"),
    recurrent("RNN"),
    undivided("ConvTranspose"),
    undivided("ConvInteger"),
    undivided("MatMulInteger"),
    undivided("QLinearConv"),
    undivided("QLinearMatMul"),
    undivided("Einsum"),
    // Windows.
    pool("MaxPool"),
    pool("AveragePool").linear_pooling(),
    pool("LpPool"),
    global_pool("GlobalAveragePool").linear_pooling(),
    global_pool("GlobalMaxPool"),
    Operator::declared("GlobalLpPool").work(EachInput),
    // Each element by itself.
    each("Abs"),
    each("Clip"),
    each("Elu"),
    each("Erf"),
    each("Exp"),
    each("Gelu"),
    each("HardSigmoid"),
    each("HardSwish"),
    each("Identity").fold(Same).work(Nothing),
    each("LeakyRelu"),
    each("Mish"),
    each("Neg"),
    each("Relu"),
    each("Selu"),
    each("Sigmoid"),
    each("Softplus"),
    each("Softsign"),
    each("Sqrt"),
    each("Tanh"),
    each("ThresholdedRelu"),
    Operator::new("Dropout", elementwise::dropout).same_place().work(Nothing),
    // As the input is, but not known to need the same place only.
    unary("Acos"),
    unary("Acosh"),
    unary("Asin"),
    unary("Asinh"),
    unary("Atan"),
    unary("Atanh"),
    unary("Ceil"),
    unary("Celu"),
    unary("Cos"),
    unary("Cosh"),
    unary("CumSum"),
    unary("Floor"),
    unary("Hardmax"),
    unary("Log"),
    unary("LogSoftmax"),
    unary("LpNormalization"),
    unary("MeanVarianceNormalization"),
    unary("Not"),
    unary("Reciprocal"),
    unary("Round"),
    unary("Shrink"),
    unary("Sign"),
    unary("Sin"),
    unary("Sinh"),
    unary("Softmax"),
    unary("Tan"),
    Operator::new("BatchNormalization", elementwise::batch_norm),
    normalization("InstanceNormalization"),
    normalization("LayerNormalization"),
    normalization("LRN"),
    normalization("GroupNormalization"),
    // Element types.
    Operator::new("Cast", elementwise::cast).fold(Computed(compute::cast)),
    Operator::new("DequantizeLinear", elementwise::quantize).fold(Dequantized),
    Operator::new("QuantizeLinear", elementwise::quantize),
    // Several inputs, broadcast.
    arithmetic("Add"),
    arithmetic("Sub"),
    arithmetic("Mul"),
    arithmetic("Div"),
    variadic("Pow"),
    variadic("Mod"),
    variadic("Max"),
    variadic("Min"),
    variadic("Sum"),
    variadic("Mean"),
    variadic("PRelu"),
    comparison("Equal"),
    comparison("Greater"),
    comparison("Less"),
    comparison("GreaterOrEqual"),
    comparison("LessOrEqual"),
    comparison("And"),
    comparison("Or"),
    comparison("Xor"),
    Operator::new("Where", elementwise::select),
    // Shapes and places.
    Operator::new("Shape", layout::shape).fold(FromTypes(compute::shape)),
    Operator::new("Reshape", layout::reshape).fold(Same).work(Nothing),
    Operator::new("Flatten", layout::flatten).fold(Same).work(Nothing),
    Operator::new("Squeeze", layout::squeeze).fold(Same).work(Nothing),
    Operator::new("Unsqueeze", layout::unsqueeze).fold(Same).work(Nothing),
    Operator::new("Transpose", layout::transpose).fold(Moved(compute::transpose)),
    Operator::new("Slice", layout::slice).fold(Picked(compute::slice)),
    Operator::new("Gather", layout::gather).fold(Picked(compute::gather)),
    Operator::new("Concat", layout::concat).fold(Computed(compute::concat)),
    Operator::new("Expand", layout::expand).fold(Computed(compute::expand)),
    Operator::new("ConstantOfShape", layout::constant_of_shape)
        .fold(Computed(compute::constant_of_shape)),
    Operator::new("Split", layout::split),
    Operator::new("Pad", layout::pad),
    // Whole dimensions into one element.
    reduction("ReduceMean"),
    reduction("ReduceSum"),
    reduction("ReduceMax"),
    reduction("ReduceMin"),
    reduction("ReduceProd"),
    reduction("ReduceL1"),
    reduction("ReduceL2"),
    reduction("ReduceSumSquare"),
    reduction("ReduceLogSumExp"),
    Operator::declared("ReduceLogSum").work(EachInput),
    Operator::new("ArgMax", reduce::arg),
    Operator::new("ArgMin", reduce::arg),
];
