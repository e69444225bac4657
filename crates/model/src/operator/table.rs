//! The entries, by family.

use super::Fold::{Computed, Dequantized, FromTypes, Moved, Picked, Same};
use super::Reads::{Along, Channel, Joined, Window};
use super::Work::{EachInput, Nothing, PerOutput};
use super::plain::{
    activation, convolution, einsum, fused, index, layout as laid, loss, norm, place as places,
    pooling, product, quantized, reduction as reduced, resize, several,
};
use super::{
    Operator, Role, compute, conv, elementwise, layout, matmul, number, place, recurrent, reduce,
};
use crate::tensor::DType;

/// An operator that changes each element by itself: its output needs no more of
/// its input than the same place.
const fn each(name: &'static str) -> Operator {
    unary(name).same_place()
}

/// An operator that reads all along the axis that it names, the last by default.
fn axis(node: &crate::graph::Node, rank: usize) -> Option<Vec<usize>> {
    super::resolve_axis(node.int("axis", -1).ok()?, rank).map(|axis| vec![axis])
}

/// An operator with one output of the first input's type and shape.
const fn unary(name: &'static str) -> Operator {
    Operator::new(name, elementwise::unary).fold(Computed(number::computed))
}

const fn variadic(name: &'static str) -> Operator {
    Operator::new(name, elementwise::variadic)
}

const fn arithmetic(name: &'static str) -> Operator {
    variadic(name).fold(Computed(number::computed)).same_place()
}

const fn comparison(name: &'static str) -> Operator {
    Operator::new(name, |op| elementwise::broadcast_all(op, Some(DType::Bool)))
        .fold(Computed(number::computed))
        .same_place()
}

const fn pool(name: &'static str) -> Operator {
    Operator::new(name, conv::pool).work(PerOutput(conv::pool_work)).reads(Window)
}

const fn global_pool(name: &'static str) -> Operator {
    Operator::new(name, conv::global_pool).work(EachInput)
}

const fn reduction(name: &'static str) -> Operator {
    Operator::new(name, reduce::reduce)
        .work(EachInput)
        .plain(reduced::reduce)
        .fold(Computed(number::reduced))
}

const fn recurrent(name: &'static str) -> Operator {
    Operator::new(name, recurrent::infer).role(Role::Recurrent)
}

/// An operator that is always said in terms of others.
const fn said(name: &'static str, rule: super::Plain) -> Operator {
    Operator::rewritten(name, rule)
}

/// What ONNX Runtime's own tools put into files.
pub(super) const ADDED: &[Operator] = &[
    said("BiasGelu", activation::gelu),
    said("FastGelu", activation::gelu),
    said("Gelu", activation::gelu),
    said("QuickGelu", activation::swish),
    said("FusedConv", fused::conv),
    said("FusedGemm", fused::gemm),
    said("FusedMatMul", fused::mat_mul),
    said("SkipLayerNormalization", norm::layer),
    said("SimplifiedLayerNormalization", norm::root_mean_square),
    said("DequantizeLinear", quantized::dequantize),
    said("QuantizeLinear", quantized::quantize),
    said("DynamicQuantizeMatMul", quantized::dynamic_mat_mul),
    said("MatMulIntegerToFloat", quantized::dynamic_mat_mul),
    said("QLinearAdd", quantized::binary),
    said("QLinearMul", quantized::binary),
    said("QLinearConcat", quantized::concat),
    said("QLinearAveragePool", quantized::unary),
    said("QLinearGlobalAveragePool", quantized::unary),
    said("QLinearLeakyRelu", quantized::unary),
    said("QLinearSigmoid", quantized::unary),
    said("QLinearSoftmax", quantized::unary),
];

pub(super) const OPERATORS: &[Operator] = &[
    // Layers, and what computes as much.
    Operator::new("Conv", conv::conv)
        .work(PerOutput(conv::conv_work))
        .role(Role::Layer)
        .plain(convolution::conv)
        .reads(Window),
    Operator::new("Gemm", matmul::gemm)
        .work(PerOutput(matmul::gemm_work))
        .role(Role::Layer)
        .plain(product::gemm),
    Operator::new("MatMul", matmul::matmul)
        .work(PerOutput(matmul::matmul_work))
        .role(Role::Layer)
        .plain(product::mat_mul),
    recurrent("LSTM"),
    recurrent("GRU"),
    recurrent("RNN"),
    said("ConvTranspose", convolution::transposed),
    said("ConvInteger", quantized::integer),
    said("MatMulInteger", quantized::integer),
    said("QLinearConv", quantized::conv),
    said("QLinearMatMul", quantized::mat_mul),
    said("Einsum", einsum::einsum),
    // Windows.
    pool("MaxPool").plain(pooling::max),
    pool("AveragePool").linear_pooling().plain(pooling::average),
    said("LpPool", pooling::lp),
    global_pool("GlobalAveragePool").linear_pooling(),
    said("GlobalMaxPool", pooling::global_max),
    said("GlobalLpPool", pooling::global_lp),
    // Each element by itself.
    each("Abs"),
    each("Clip").plain(activation::clip),
    each("Elu"),
    each("Erf"),
    each("Exp"),
    each("HardSigmoid"),
    each("HardSwish"),
    each("Identity").fold(Same).work(Nothing),
    each("LeakyRelu"),
    each("Neg"),
    each("Relu"),
    each("Selu"),
    each("Sigmoid"),
    each("Softsign"),
    each("Sqrt"),
    each("Tanh"),
    each("ThresholdedRelu"),
    said("Celu", activation::celu),
    said("Dropout", activation::dropout),
    said("Gelu", activation::gelu),
    said("Mish", activation::mish),
    said("Shrink", activation::shrink),
    said("Softplus", activation::softplus),
    said("Swish", activation::swish),
    each("Acos"),
    each("Acosh"),
    each("Asin"),
    each("Asinh"),
    each("Atan"),
    unary("Atanh"),
    each("Ceil"),
    each("Cos"),
    each("Cosh"),
    each("Floor"),
    each("Log"),
    unary("LogSoftmax").plain(norm::softmax).reads(Along(axis)),
    each("Not"),
    each("Reciprocal"),
    each("Round"),
    each("Sign"),
    each("Sin"),
    each("Sinh"),
    unary("Softmax").plain(norm::softmax).reads(Along(axis)),
    each("Tan"),
    said("CumSum", index::cum_sum),
    said("Hardmax", index::hardmax),
    said("LpNormalization", norm::lp),
    said("MeanVarianceNormalization", norm::mean_variance),
    said("IsInf", activation::is_inf),
    said("IsNaN", activation::is_nan),
    Operator::new("BatchNormalization", elementwise::batch_norm).plain(norm::batch).reads(Channel),
    Operator::new("LRN", elementwise::normalization).reads(Along(|_, _| Some(vec![1]))),
    said("InstanceNormalization", norm::instance),
    said("LayerNormalization", norm::layer),
    said("GroupNormalization", norm::group),
    said("RMSNormalization", norm::root_mean_square),
    // Element types.
    Operator::new("Cast", elementwise::cast)
        .fold(Computed(number::cast))
        .plain(activation::cast)
        .same_place(),
    said("CastLike", activation::cast_like),
    Operator::new("DequantizeLinear", elementwise::quantize)
        .fold(Dequantized)
        .plain(quantized::dequantize),
    said("QuantizeLinear", quantized::quantize),
    said("DynamicQuantizeLinear", quantized::quantize_dynamic),
    // Several inputs, broadcast.
    arithmetic("Add"),
    arithmetic("Sub"),
    arithmetic("Mul"),
    arithmetic("Div"),
    arithmetic("Pow").plain(activation::pow),
    arithmetic("Mod"),
    arithmetic("Max").plain(several::pairwise),
    arithmetic("Min").plain(several::pairwise),
    variadic("Sum").plain(several::pairwise),
    variadic("Mean").plain(several::pairwise),
    variadic("PRelu").same_place(),
    comparison("Equal"),
    comparison("Greater"),
    comparison("Less"),
    comparison("GreaterOrEqual"),
    comparison("LessOrEqual"),
    comparison("And"),
    comparison("Or"),
    comparison("Xor"),
    Operator::new("Where", elementwise::select).fold(Computed(number::selected)).same_place(),
    // Shapes and places.
    Operator::new("Shape", layout::shape).fold(FromTypes(compute::shape)),
    said("Size", index::size),
    Operator::new("Reshape", layout::reshape).fold(Same).work(Nothing).plain(laid::reshape),
    said("Flatten", laid::reshape),
    said("Squeeze", laid::reshape),
    said("Unsqueeze", laid::reshape),
    Operator::new("Transpose", layout::transpose)
        .fold(Moved(compute::transpose))
        .plain(laid::transpose),
    Operator::new("Slice", layout::slice).fold(Picked(compute::slice)).plain(laid::slice),
    Operator::new("Gather", layout::gather).fold(Picked(compute::gather)).plain(places::gather),
    Operator::new("Concat", layout::concat)
        .fold(Computed(compute::concat))
        .plain(several::concat)
        .reads(Joined),
    Operator::new("Expand", layout::expand).fold(Computed(compute::expand)).plain(laid::expand),
    Operator::new("ConstantOfShape", layout::constant_of_shape)
        .fold(Computed(compute::constant_of_shape)),
    Operator::new("Split", layout::split).plain(laid::split),
    Operator::new("Pad", layout::pad).plain(laid::pad),
    said("Tile", laid::tile),
    said("DepthToSpace", laid::depth_and_space),
    said("SpaceToDepth", laid::depth_and_space),
    said("Resize", resize::resize),
    said("Upsample", resize::resize),
    // Elements by their numbers.
    Operator::new("GatherElements", place::gather_elements).plain(places::gather_elements),
    Operator::new("GatherND", place::gather_nd).plain(places::gather_nd),
    Operator::new("Scatter", place::scatter).plain(places::scatter_elements),
    Operator::new("ScatterElements", place::scatter).plain(places::scatter_elements),
    Operator::new("ScatterND", place::scatter).plain(places::scatter_nd),
    Operator::new("TopK", place::top_k).plain(index::top_k),
    Operator::new("ArgMax", reduce::arg).plain(reduced::arg),
    Operator::new("ArgMin", reduce::arg).plain(reduced::arg),
    said("OneHot", index::one_hot),
    said("Trilu", index::trilu),
    said("EyeLike", index::eye_like),
    said("Range", index::range),
    said("NonZero", index::non_zero),
    said("Compress", places::compress),
    said("ReverseSequence", places::reverse_sequence),
    // Losses.
    said("NegativeLogLikelihoodLoss", loss::likelihood),
    said("SoftmaxCrossEntropyLoss", loss::cross_entropy),
    // Whole dimensions into one element.
    reduction("ReduceMean"),
    reduction("ReduceSum"),
    reduction("ReduceMax"),
    reduction("ReduceMin"),
    reduction("ReduceProd"),
    said("ReduceL1", reduced::reduce),
    said("ReduceL2", reduced::reduce),
    said("ReduceSumSquare", reduced::reduce),
    said("ReduceLogSum", reduced::reduce),
    said("ReduceLogSumExp", reduced::reduce),
];
