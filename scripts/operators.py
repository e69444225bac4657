"""Cases of single operators, with ONNX Runtime's answers.

The test cases of the ONNX project, which PyPI's package onnx makes, and grids of
attributes (grids.py), each behind a layer: a product with constant weights comes first, so that there is something
to divide. What else a case reads is constant.

    python3 -m venv target/venv
    target/venv/bin/pip install -r scripts/requirements.txt
    target/venv/bin/python scripts/operators.py target/data/operators

`quorate-lab import FOLDER` tries them.
"""

import pathlib
import sys
import warnings

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from grids import grids

# The newest version of the operators that ONNX Runtime and the program know.
OPSET_MAX = 24
FLOATS = {TensorProto.FLOAT}
# Types that a product is cast to, where a case has no float.
OTHERS = {
    TensorProto.INT64,
    TensorProto.INT32,
    TensorProto.INT8,
    TensorProto.UINT8,
    TensorProto.INT16,
    TensorProto.UINT16,
    TensorProto.UINT32,
    TensorProto.UINT64,
    TensorProto.BOOL,
    TensorProto.DOUBLE,
}


def cases():
    """The ONNX project's cases for single operators."""
    from onnx.backend.test.loader import load_model_tests
    from onnx.backend.test.case.node import collect_testcases

    try:
        found = collect_testcases(None)
    except TypeError:
        found = collect_testcases()
    return found or load_model_tests(kind="node")


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    # What is compared with is what the operators are defined to do.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def behind_a_layer(model, inputs):
    """The model with its first float input, or first input at all, made by a
    product with constant weights, and all others constant; with the input that
    gives the old values."""
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)

    def first(types):
        for i, (info, value) in enumerate(zip(graph.input, inputs)):
            small = isinstance(value, numpy.ndarray) and 0 < value.size
            if small and info.type.tensor_type.elem_type in types:
                if abs(value.astype(numpy.float64)).max() < 2**24 or types is FLOATS:
                    return i
        return None

    index = first(FLOATS)
    if index is None:
        index = first(OTHERS)
    if index is None:
        return None
    info, value = graph.input[index], inputs[index]
    name = info.name
    flat = value.reshape(1, -1).astype(numpy.float32)
    width = flat.shape[1]
    if width > 20000:
        return None
    # x -> MatMul by 2^k (so that nothing is rounded) -> Reshape -> the operator
    width_in = max(width, 6)
    weights = numpy.zeros((width_in, width), numpy.float32)
    weights[numpy.arange(width), numpy.arange(width)] = 0.5
    given = numpy.zeros((1, width_in), numpy.float32)
    given[:, :width] = flat * 2
    nodes = [
        helper.make_node("MatMul", ["layer_x", "layer_w"], ["layer_y"], name="layer"),
        helper.make_node("Reshape", ["layer_y", "layer_shape"], ["layer_z"], name="as_it_was"),
        helper.make_node(
            "Cast", ["layer_z"], [name], name="of_its_type", to=info.type.tensor_type.elem_type
        ),
    ]
    constants = [
        numpy_helper.from_array(weights, "layer_w"),
        numpy_helper.from_array(numpy.array(value.shape, numpy.int64), "layer_shape"),
    ]
    for i, (other, constant) in enumerate(zip(graph.input, inputs)):
        if i != index:
            if not isinstance(constant, numpy.ndarray):
                return None
            constants.append(numpy_helper.from_array(constant, other.name))
    graph.initializer.extend(constants)
    old = list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes + old)
    del graph.input[:]
    graph.input.append(
        helper.make_tensor_value_info("layer_x", TensorProto.FLOAT, [1, width_in])
    )
    wrapped = helper.make_model(graph, opset_imports=model.opset_import)
    wrapped.ir_version = min(model.ir_version, 10)
    return wrapped, {"layer_x": given}


def layers():
    """The ONNX project's models of single layers of PyTorch, as they are."""
    from onnx.backend.test.loader import load_model_tests

    for kind in ("pytorch-converted", "pytorch-operator"):
        for case in load_model_tests(kind=kind):
            path = pathlib.Path(case.model_dir) / "model.onnx"
            yield f"{kind}_{case.name}", onnx.load(path)


def supported(model):
    return all(
        o.domain not in ("", "ai.onnx") or o.version <= OPSET_MAX for o in model.opset_import
    )


def write(path, model, inputs, outputs, answers):
    """A case as `quorate-lab import` reads it."""
    arrays = {f"in:{key}": value for key, value in inputs.items()}
    for output, answer in zip(outputs, answers):
        arrays[f"out:{output}"] = numpy.asarray(answer, order="C")
    onnx.save(model, path.with_name(f"{path.name}.onnx"))
    numpy.savez(path.with_name(f"{path.name}.npz"), **arrays)


def main(folder):
    warnings.simplefilter("ignore")
    numpy.random.seed(1)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written, skipped = 0, 0
    for name, model in layers():
        try:
            run = session(model)
            random = numpy.random.default_rng(1)
            inputs = {
                value.name: random.standard_normal(value.shape).astype(numpy.float32)
                for value in run.get_inputs()
            }
            answers = run.run(None, inputs)
        except Exception:
            continue
        write(folder / name, model, inputs, [o.name for o in run.get_outputs()], answers)
        written += 1
    found = [(case.name, case.model, case.data_sets) for case in cases()]
    found += [(name, model, [[inputs]]) for name, model, inputs in grids()]
    for name, model, data in found:
        if model is None or not data or not supported(model):
            skipped += 1
            continue
        try:
            made = behind_a_layer(model, list(data[0][0]))
            if made is None:
                skipped += 1
                continue
            wrapped, inputs = made
            run = session(wrapped)
            outputs = [output.name for output in run.get_outputs()]
            answers = run.run(None, inputs)
        except Exception:  # what ONNX Runtime does not run is no case
            skipped += 1
            continue
        if not all(isinstance(answer, numpy.ndarray) for answer in answers):
            skipped += 1
            continue
        if any(answer.dtype.kind not in "fiub" or answer.size == 0 for answer in answers):
            skipped += 1
            continue
        write(folder / name, wrapped, inputs, outputs, answers)
        written += 1
    print(f"{written} cases, {skipped} that are none")


if __name__ == "__main__":
    main(sys.argv[1])
