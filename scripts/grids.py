"""Single operators with every combination of attributes that people's models
have: what the ONNX project's own cases, one or two an attribute, leave out.

`grids()` gives a name, a model of one node, and its inputs; operators.py puts a
layer before each and asks ONNX Runtime.
"""

from itertools import product

import numpy
from onnx import TensorProto, helper, numpy_helper

SIGNED = [numpy.int8, numpy.int16, numpy.int32, numpy.int64]
UNSIGNED = [numpy.uint8, numpy.uint16, numpy.uint32, numpy.uint64]
TYPES = [numpy.float32, numpy.float64, numpy.bool_] + SIGNED + UNSIGNED


class Maker:
    """Makes cases whose numbers depend on nothing but their place."""

    def __init__(self):
        self.random = numpy.random.default_rng(7)

    def floats(self, *shape):
        return self.random.uniform(-2, 2, shape).astype(numpy.float32)

    def numbers(self, kind, *shape, least=-9, most=9):
        """Small numbers of a type: whole ones, or fourths where it has them."""
        least = max(least, 0) if numpy.dtype(kind).kind in "ub" else least
        fourths = 4 if numpy.dtype(kind).kind == "f" else 1
        least, most = (min(least, 1), 1) if kind is numpy.bool_ else (least, max(least, most))
        whole = self.random.integers(least * fourths, most * fourths, shape, endpoint=True)
        return numpy.asarray(whole / fourths).astype(kind)

    def case(self, name, op, inputs, outputs=1, opset=17, fixed=(), **attributes):
        """`inputs` are arrays, or None where there is none; those at the places
        `fixed` are constants whatever happens to the others."""
        held = [numpy_helper.from_array(inputs[at], f"in{at}") for at in fixed]
        given = [
            (f"in{at}", array)
            for at, array in enumerate(inputs)
            if array is not None and at not in fixed
        ]
        names = ["" if array is None else f"in{at}" for at, array in enumerate(inputs)]
        made = [f"out{at}" for at in range(outputs)]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        node = helper.make_node(op, names, made, name="node", **attributes)
        infos = [
            helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for key, array in given
        ]
        types = made_types(op, inputs, attributes)
        results = [helper.make_tensor_value_info(*pair, None) for pair in zip(made, types)]
        graph = helper.make_graph([node], "grid", infos, results, held)
        for output in graph.output:
            output.type.tensor_type.ClearField("shape")
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 8
        return f"grid_{name}", model, [array for _, array in given]


def made_types(op, inputs, attributes):
    """The types of a node's outputs."""
    chosen = {"Where": 1, "OneHot": 2}.get(op, 0)
    like = helper.np_dtype_to_tensor_dtype(inputs[chosen].dtype)
    if op == "Cast":
        return [attributes["to"]]
    if op in ("ArgMax", "ArgMin"):
        return [TensorProto.INT64]
    if op in ("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"):
        return [TensorProto.BOOL]
    return [like, TensorProto.INT64] if op == "TopK" else [like] * 3


def words(*parts):
    return "_".join(str(part).replace(" ", "").strip("[]()") for part in parts)


def convolutions(make):
    for dims, (group, ins, outs) in product(
        (1, 2, 3), ((1, 3, 4), (2, 4, 6), (3, 6, 3), (4, 4, 4), (4, 4, 8))
    ):
        size = [7, 6, 5][:dims]
        for kernel, stride, dilation, pad, bias in product(
            (1, 3), (1, 2), (1, 2), ("none", "even", "odd", "SAME_UPPER", "SAME_LOWER"), (0, 1)
        ):
            if dilation > 1 and (kernel == 1 or pad.startswith("SAME")) or dims == 3 and pad == "odd":
                continue
            if (stride == 2 and kernel == 1 and pad != "none") or (bias and dims == 3 and stride == 2):
                continue
            pads = {"even": [1] * 2 * dims, "odd": [0, 1, 1][:dims] + [1, 0, 2][:dims]}.get(pad)
            attributes = {
                "kernel_shape": [kernel] * dims,
                "strides": [stride] * dims,
                "dilations": [dilation] * dims,
                "group": group,
                "pads": pads,
                "auto_pad": pad if pad.startswith("SAME") else None,
            }
            weights = make.floats(outs, ins // group, *[kernel] * dims)
            inputs = [make.floats(1, ins, *size), weights]
            inputs += [make.floats(outs)] if bias else []
            name = words("conv", f"{dims}d", "g", group, ins, outs, "k", kernel, "s", stride)
            name = words(name, "d", dilation, pad, "b", bias)
            yield make.case(name, "Conv", inputs, **attributes)


def transposed(make):
    for dims, (group, ins, outs), stride, dilation in product(
        (1, 2, 3), ((1, 3, 2), (2, 4, 2)), (1, 2, 3), (1, 2)
    ):
        size = [4, 3, 3][:dims]
        for pad in ("none", "even", "more", "shape", "SAME_UPPER", "SAME_LOWER"):
            if dilation > 1 and pad not in ("none", "even"):
                continue
            attributes = {
                "strides": [stride] * dims,
                "dilations": [dilation] * dims,
                "group": group,
                "pads": [1] * 2 * dims if pad in ("even", "more") else None,
                "output_padding": [stride - 1] * dims if pad == "more" else None,
                "output_shape": [n * stride + 1 for n in size] if pad == "shape" else None,
                "auto_pad": pad if pad.startswith("SAME") else None,
            }
            inputs = [make.floats(1, ins, *size), make.floats(ins, outs, *[3] * dims)]
            name = words("convtranspose", f"{dims}d", "g", group, "s", stride, "d", dilation, pad)
            yield make.case(name, "ConvTranspose", inputs + [make.floats(outs * group)], **attributes)


def pools(make):
    for op, dims, kernel, stride, pad, ceil in product(
        ("MaxPool", "AveragePool"), (1, 2, 3), (2, 3), (1, 2, 3), ("none", "even", "odd", "SAME_UPPER"), (0, 1)
    ):
        if ceil and pad.startswith("SAME"):
            continue
        pads = {"even": [1] * 2 * dims, "odd": [0, 1, 0][:dims] + [1, 0, 1][:dims]}.get(pad)
        for count in (0, 1) if op == "AveragePool" else (None,):
            attributes = {
                "kernel_shape": [kernel] * dims,
                "strides": [stride] * dims,
                "pads": pads,
                "auto_pad": pad if pad.startswith("SAME") else None,
                "ceil_mode": ceil,
                "count_include_pad": count,
            }
            name = words(op.lower(), f"{dims}d", "k", kernel, "s", stride, pad, "c", ceil, count)
            yield make.case(name, op, [make.floats(1, 3, *[9, 8, 6][:dims])], **attributes)


def resizes(make):
    modes = product(
        ("nearest", "linear", "cubic"),
        ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"),
        ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
        ([1, 1, 2, 2], [1, 1, 0.6, 1.5], [1, 1, 3, 0.5]),
    )
    for mode, coordinate, rounding, scales in modes:
        if mode != "nearest" and rounding != "round_prefer_floor":
            continue
        attributes = {"mode": mode, "coordinate_transformation_mode": coordinate}
        if mode == "nearest":
            attributes["nearest_mode"] = rounding
        given = [make.floats(1, 2, 5, 4), None, numpy.array(scales, numpy.float32)]
        name = words("resize", mode, coordinate, rounding, *scales)
        yield make.case(name, "Resize", given, **attributes)


def recurrents(make):
    inputs, hidden = 3, 5
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}
    for op, direction, bias, state, extra, (length, batch) in product(
        gates,
        ("forward", "reverse", "bidirectional"),
        (0, 1),
        (0, 1),
        ("none", "clip", "other"),
        ((4, 1), (13, 2)),
    ):
        ways = 2 if direction == "bidirectional" else 1
        rows = gates[op] * hidden
        attributes = {"hidden_size": hidden, "direction": direction}
        if extra == "clip":
            attributes["clip"] = 0.4
        if extra == "other" and op == "GRU":
            attributes["linear_before_reset"] = 1
        if extra == "other" and op == "LSTM":
            attributes["input_forget"] = 1
        if extra == "other" and op == "RNN":
            attributes["activations"] = ["Relu"] * ways
        given = [
            make.floats(length, batch, inputs),
            make.floats(ways, rows, inputs) / 2,
            make.floats(ways, rows, hidden) / 2,
            make.floats(ways, 2 * rows) if bias else None,
            None,
            make.floats(ways, batch, hidden) if state else None,
        ]
        outputs = 3 if op == "LSTM" else 2
        name = words(op.lower(), direction, "b", bias, "h", state, extra, *([length] if length > 4 else []))
        yield make.case(name, op, given, outputs, **attributes)


def reductions(make):
    ops = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp"]
    for op, axes, keep in product(ops, (None, [1], [-1], [0, 2], [1, 2]), (0, 1)):
        values = abs(make.floats(2, 3, 4)) if op == "LogSum" else make.floats(2, 3, 4)
        name = words("reduce", op.lower(), axes, keep)
        yield make.case(name, f"Reduce{op}", [values], opset=11, axes=axes, keepdims=keep)


def products(make):
    for a, b, alpha, beta, c in product((0, 1), (0, 1), (1.0, 0.5), (1.0, 0.25), (None, [5], [4, 5], [4, 1], [])):
        left, right = make.floats(*((6, 4) if a else (4, 6))), make.floats(*((5, 6) if b else (6, 5)))
        given = [left, right] + ([make.floats(*c)] if c is not None else [])
        name = words("gemm", a, b, alpha, beta, "none" if c is None else c)
        yield make.case(name, "Gemm", given, transA=a, transB=b, alpha=alpha, beta=beta)
    shapes = [([4], [4, 5]), ([2, 4], [4]), ([3, 2, 4], [4, 5]), ([3, 2, 4], [3, 4, 5])]
    shapes += [([2, 4], [3, 4, 5]), ([2, 1, 3, 4], [5, 4, 6]), ([1, 2, 4], [6, 4, 3])]
    for left, right in shapes:
        given = [make.floats(*left), make.floats(*right)]
        yield make.case(words("matmul", left, "by", right), "MatMul", given)


def slices(make):
    for start, end, axis, step in product((0, 1, -3, 9), (-1, 4, 100, -100), (1, -1), (1, 2, -1, -2)):
        given = [make.floats(2, 6, 7)]
        given += [numpy.array([number], numpy.int64) for number in (start, end, axis, step)]
        yield make.case(words("slice", start, end, axis, step), "Slice", given)


def paddings(make):
    for mode, pads in product(
        ("constant", "reflect", "edge", "wrap"), ([0, 1, 0, 2], [1, 0, 1, 0], [1, 2, 2, 1], [0, -1, 0, 1])
    ):
        if mode == "wrap" and min(pads) < 0:
            continue
        given = [make.floats(3, 4), numpy.array(pads, numpy.int64)]
        given += [numpy.array(0.5, numpy.float32)] if mode == "constant" else []
        name, opset = words("pad", mode, *pads), 19 if mode == "wrap" else 17
        yield make.case(name, "Pad", given, opset=opset, mode=mode)


def norms(make):
    for op, axis in product(("Softmax", "LogSoftmax", "Hardmax"), (0, 1, 2, -1)):
        for opset in (11, 13):
            yield make.case(words(op.lower(), axis, opset), op, [make.floats(2, 3, 4)], opset=opset, axis=axis)
    for axis, epsilon in product((0, 1, -1), (1e-5, 0.1)):
        shape = (2, 3, 4)[axis:] if axis >= 0 else (4,)
        given = [make.floats(2, 3, 4), make.floats(*shape), make.floats(*shape)]
        name = words("layernorm", axis, epsilon)
        yield make.case(name, "LayerNormalization", given, axis=axis, epsilon=epsilon)
    for size, alpha, bias in product((1, 3, 4), (1e-4, 0.5), (1.0, 2.0)):
        name = words("lrn", size, alpha, bias)
        yield make.case(name, "LRN", [make.floats(1, 5, 3, 3)], size=size, alpha=alpha, bias=bias, beta=0.6)


def name_of(kind):
    return numpy.dtype(kind).name


def casts(make):
    for old, new in product(TYPES, TYPES):
        # Beyond what the new type holds, nobody says what comes out; among whole
        # numbers it wraps around.
        wraps = numpy.dtype(old).kind in "iu" and numpy.dtype(new).kind in "iu"
        bounds = {}
        if wraps:
            held = numpy.iinfo(old)
            bounds = {"least": max(-300, held.min), "most": min(300, held.max)}
        elif numpy.dtype(new).kind == "u":
            bounds = {"least": 0}
        to = helper.np_dtype_to_tensor_dtype(numpy.dtype(new))
        given = [make.numbers(old, 2, 3, 4, **bounds)]
        yield make.case(words("cast", name_of(old), name_of(new)), "Cast", given, to=to)


def places(make):
    """What moves elements, of every type."""
    for kind in TYPES:
        x, y = make.numbers(kind, 2, 3, 4), make.numbers(kind, 2, 5, 4)
        at = numpy.array([2, 0, 1, 2], numpy.int64)
        yes = make.numbers(numpy.bool_, 2, 3, 4)
        each = numpy.argsort(make.floats(2, 3, 4), axis=1)
        three = [numpy.array(v, numpy.int64) for v in ([0, 1], [2, 4], [1, 2])]
        cases = {
            "identity": ("Identity", [x], {}),
            "reshape": ("Reshape", [x, numpy.array([4, 6])], {}),
            "unsqueeze": ("Unsqueeze", [x, numpy.array([1])], {}),
            "transpose": ("Transpose", [x], {"perm": [2, 0, 1]}),
            "concat": ("Concat", [x, y], {"axis": 1}),
            "slice": ("Slice", [x, *three], {}),
            "gather_i64": ("Gather", [x, at], {"axis": 1}),
            "gather_i32": ("Gather", [x, at.astype(numpy.int32)], {"axis": 1}),
            "elements": ("GatherElements", [x, each], {"axis": 1}),
            "nd": ("GatherND", [x, numpy.array([[1, 2], [0, 1]])], {}),
            "expand": ("Expand", [x, numpy.array([3, 2, 3, 4])], {}),
            "tile": ("Tile", [x, numpy.array([1, 2, 1])], {}),
            "split": ("Split", [x, numpy.array([1, 2])], {"axis": 1}),
            "pad": ("Pad", [x, numpy.array([0, 1, 0, 0, 0, 2])], {}),
            "where": ("Where", [yes, x, make.numbers(kind, 3, 4)], {}),
            "scatter": ("ScatterElements", [x, each, make.numbers(kind, 2, 3, 4)], {"axis": 1}),
            "scatter_nd": ("ScatterND", [x, numpy.array([[1, 2], [0, 1]]), make.numbers(kind, 2, 4)], {}),
            "one_hot": ("OneHot", [at, numpy.array(4), make.numbers(kind, 2)], {}),
            "trilu": ("Trilu", [x], {}),
        }
        for name, (op, given, attributes) in cases.items():
            outputs = 2 if op == "Split" else 1
            name = words("place", name, name_of(kind))
            yield make.case(name, op, given, outputs, **attributes)
    # Ids and masks that a model is given, not constants.
    for kind, of in product((numpy.int32, numpy.int64), (numpy.int32, numpy.int64, numpy.float32)):
        ids = make.numbers(kind, 2, 5, least=0, most=6)
        table = numpy.arange(7 * 3).reshape(7, 3).astype(of)
        name = words("place", "table", name_of(of), name_of(kind))
        yield make.case(name, "Gather", [table, ids], fixed=[0])
        rows = numpy.arange(2 * 7).reshape(2, 7).astype(of)
        name = words("place", "each", name_of(of), name_of(kind))
        yield make.case(name, "GatherElements", [rows, ids], fixed=[0], axis=1)


def arithmetic(make):
    """What computes, of every type of numbers but f32."""
    pairs = ["Add", "Sub", "Mul", "Div", "Mod", "Max", "Min"]
    pairs += ["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"]
    alone = ["Abs", "Neg", "Sign", "Relu", "Sqrt", "Exp", "Floor", "Not", "Sigmoid", "Tanh"]
    folds = ["Sum", "Mean", "Max", "Min", "Prod"]
    for kind in TYPES[1:]:
        whole = numpy.dtype(kind).kind != "f"
        x = make.numbers(kind, 2, 3, 4)
        for op, shape in product(pairs, ([2, 3, 4], [4], [])):
            # No whole number is divided by nothing, nor goes below what it can hold.
            least = 1 if op in ("Div", "Mod") or kind is numpy.bool_ else -9
            y = make.numbers(kind, *shape, least=least)
            if least == 1 and kind in SIGNED:
                y = numpy.where(y % 2 == 1, y, -y)
            left = numpy.maximum(x, numpy.max(y)) if op == "Sub" and kind in UNSIGNED else x
            name = words("whole" if whole else "wide", op.lower(), name_of(kind), shape)
            yield make.case(name, op, [left, y], **({"fmod": 1} if op == "Mod" and not whole else {}))
        for op in alone:
            yield make.case(words("whole" if whole else "wide", op.lower(), name_of(kind)), op, [x])
        for op, axes in product(folds, ([1], [0, 2])):
            given = [make.numbers(kind, 2, 3, 4, least=-3, most=3)]
            name = words("reduce", op.lower(), name_of(kind), axes)
            if op == "Sum":
                yield make.case(name, "ReduceSum", [*given, numpy.array(axes)], opset=13)
            else:
                yield make.case(name, f"Reduce{op}", given, opset=13, axes=axes)
        bounds = [make.numbers(kind, least=-3, most=-1), make.numbers(kind, least=2, most=5)]
        yield make.case(words("clip", name_of(kind)), "Clip", [x, *bounds])
        yield make.case(words("cumsum", name_of(kind)), "CumSum", [x, numpy.array(1)])
        for op in ("ArgMax", "ArgMin"):
            yield make.case(words(op.lower(), name_of(kind)), op, [x], axis=1)
        apart = apart_numbers(kind)
        for largest in (0, 1):
            name = words("topk", name_of(kind), largest)
            yield make.case(name, "TopK", [apart, numpy.array([2])], 2, axis=1, largest=largest)
        left, right = make.numbers(kind, 3, 4), make.numbers(kind, 4, 5)
        yield make.case(words("matmul", name_of(kind)), "MatMul", [left, right])
    for op in ("And", "Or", "Xor"):
        given = [make.numbers(numpy.bool_, 2, 3, 4), make.numbers(numpy.bool_, 3, 1)]
        yield make.case(words("truth", op.lower()), op, given)
    for op, kind in product(("And", "Or", "Xor"), SIGNED + UNSIGNED):
        given = [make.numbers(kind, 2, 3, 4), make.numbers(kind, 3, 1)]
        yield make.case(words("bits", op.lower(), name_of(kind)), f"Bitwise{op}", given, opset=18)


def apart_numbers(kind):
    """Numbers of which no two along an axis are the same."""
    order = numpy.array([3, 0, 5, 1, 4, 2]).reshape(1, 6, 1)
    apart = (order + numpy.arange(4)) % 6 + numpy.zeros((2, 6, 4))
    return (apart > 2 if kind is numpy.bool_ else apart).astype(kind)


def grids():
    make = Maker()
    kinds = (convolutions, transposed, pools, resizes, recurrents, reductions, products)
    for kind in kinds + (slices, paddings, norms, casts, places, arithmetic):
        yield from kind(make)
