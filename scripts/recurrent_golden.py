#!/usr/bin/env python3
"""Makes small recurrent models and what ONNX Runtime answers to them.

    python3 -m venv target/venv
    target/venv/bin/pip install -r scripts/requirements.txt
    target/venv/bin/python scripts/recurrent_golden.py

Writes, for each case, NAME.onnx and NAME.f32 in
crates/engine/tests/golden/recurrent. The second holds the model's inputs, then
its outputs, each in the file's order, as little-endian f32.

ONNX Runtime has no layout 1. Those models are run with layout 0 and turned
here.
"""

import pathlib

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from golden import seeded

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "crates/engine/tests/golden/recurrent"

STEPS, BATCH, INPUTS, HIDDEN = 4, 2, 3, 5
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}

# Of each case: operator, opset, and what it has beyond weights. "h" and "c"
# are initial states: "constant", "zero" or "input".
CASES = {
    "lstm": ("LSTM", 17, {"bias": True}),
    "lstm_plain_opset9": ("LSTM", 9, {}),
    "lstm_opset7": ("LSTM", 7, {"bias": True, "h": "zero", "c": "zero"}),
    "lstm_opset13": ("LSTM", 13, {"bias": True, "h": "input", "c": "input"}),
    "lstm_opset18": ("LSTM", 18, {"bias": True, "way": "bidirectional"}),
    "lstm_reverse": ("LSTM", 17, {"bias": True, "way": "reverse"}),
    "lstm_both_states": (
        "LSTM",
        11,
        {"bias": True, "way": "bidirectional", "h": "input", "c": "constant"},
    ),
    "lstm_constant_h": ("LSTM", 9, {"h": "constant"}),
    "lstm_only_c": ("LSTM", 17, {"bias": True, "c": "constant", "outputs": ["", "", "Y_c"]}),
    "lstm_peepholes": ("LSTM", 17, {"bias": True, "peepholes": True}),
    "lstm_peepholes_both": (
        "LSTM",
        9,
        {"bias": True, "peepholes": True, "way": "bidirectional", "c": "constant"},
    ),
    "lstm_activations": (
        "LSTM",
        17,
        {"bias": True, "activations": ["Sigmoid", "Relu", "Tanh"], "lengths": True},
    ),
    "lstm_one_step": ("LSTM", 17, {"bias": True, "steps": 1}),
    "lstm_layout": ("LSTM", 17, {"bias": True, "layout": 1, "h": "input", "c": "constant"}),
    "lstm_layout_both": (
        "LSTM",
        17,
        {"way": "bidirectional", "layout": 1, "h": "input", "c": "constant"},
    ),
    "gru": ("GRU", 17, {"bias": True}),
    "gru_plain_opset9": ("GRU", 9, {"h": "input"}),
    "gru_constant_h": ("GRU", 13, {"bias": True, "h": "constant"}),
    "gru_both": ("GRU", 13, {"bias": True, "way": "bidirectional", "outputs": ["Y", ""]}),
    "gru_layout": ("GRU", 17, {"bias": True, "layout": 1, "outputs": ["", "Y_h"]}),
    "gru_linear": ("GRU", 17, {"bias": True, "linear": 1}),
    "gru_linear_plain_opset9": ("GRU", 9, {"linear": 1}),
    "gru_linear_opset9": ("GRU", 9, {"bias": True, "linear": 1, "h": "input"}),
    "gru_linear_both": (
        "GRU",
        13,
        {"bias": True, "linear": 1, "way": "bidirectional", "h": "constant"},
    ),
    "gru_activations": ("GRU", 17, {"bias": True, "activations": ["Tanh", "Sigmoid"]}),
    "rnn": ("RNN", 17, {"bias": True}),
    "rnn_plain_opset9": ("RNN", 9, {"way": "reverse"}),
    "rnn_relu": ("RNN", 17, {"bias": True, "activations": ["Relu"], "h": "constant"}),
    "rnn_both": (
        "RNN",
        13,
        {"bias": True, "way": "bidirectional", "activations": ["Tanh", "Relu"], "h": "input"},
    ),
}


class Draw:
    """Seeded arrays, one after the other."""

    def __init__(self, seed):
        self.seed = seed

    def __call__(self, *shape, scale=0.6):
        self.seed += 1
        return seeded(shape, self.seed) * np.float32(scale)


def tensors(op, options, draw):
    """Constants and inputs of a node with layout 0, by the names of ONNX."""
    gates, directions = GATES[op], 2 if options.get("way") == "bidirectional" else 1
    steps = options.get("steps", STEPS)
    constants = {
        "W": draw(directions, gates * HIDDEN, INPUTS),
        "R": draw(directions, gates * HIDDEN, HIDDEN),
    }
    inputs = {"X": draw(steps, BATCH, INPUTS, scale=1)}
    if options.get("bias"):
        constants["B"] = draw(directions, 2 * gates * HIDDEN)
    if options.get("lengths"):
        constants["sequence_lens"] = np.full(BATCH, steps, np.int32)
    if options.get("peepholes"):
        constants["P"] = draw(directions, 3 * HIDDEN)
    for key, name in (("h", "initial_h"), ("c", "initial_c")):
        kind = options.get(key)
        state = draw(directions, BATCH, HIDDEN)
        if kind == "input":
            inputs[name] = state
        elif kind:
            constants[name] = state * np.float32(kind == "constant")
    return constants, inputs


def build(op, opset, options, constants, inputs, layout):
    """The model, and the names of its outputs."""
    names = ["X", "W", "R", "B", "sequence_lens", "initial_h"]
    names += ["initial_c", "P"] if op == "LSTM" else []
    given = [n if n in constants or n in inputs else "" for n in names]
    every = ["Y", "Y_h", "Y_c"] if op == "LSTM" else ["Y", "Y_h"]
    outputs = options.get("outputs", every)
    attributes = {"hidden_size": HIDDEN}
    for key, name in (
        ("way", "direction"),
        ("activations", "activations"),
        ("linear", "linear_before_reset"),
    ):
        if key in options:
            attributes[name] = options[key]
    if layout:
        attributes["layout"] = layout
    node = helper.make_node(op, given, outputs, name=op.lower(), **attributes)
    return finish([node], opset, constants, inputs, [o for o in outputs if o])


def finish(nodes, opset, constants, inputs, outputs):
    graph = helper.make_graph(
        nodes,
        "recurrent",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape) for n, v in inputs.items()],
        [helper.make_empty_tensor_value_info(n) for n in outputs],
        [numpy_helper.from_array(np.array(v, order="C"), n) for n, v in constants.items()],
    )
    for output in graph.output:
        output.type.tensor_type.elem_type = TensorProto.FLOAT
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
    )


def run(model, inputs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers)
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, inputs)))


def turn(name, value):
    """From layout 0 to layout 1."""
    if name == "Y":
        return value.transpose(2, 0, 1, 3)
    if name in ("X", "initial_h", "initial_c", "Y_h", "Y_c"):
        return value.transpose(1, 0, 2)
    return value


def stack(draw):
    """As PyTorch writes two layers and a classifier."""
    shapes = {
        "w1": (2, 4 * HIDDEN, INPUTS),
        "r1": (2, 4 * HIDDEN, HIDDEN),
        "b1": (2, 8 * HIDDEN),
        "w2": (1, 3 * HIDDEN, 2 * HIDDEN),
        "r2": (1, 3 * HIDDEN, HIDDEN),
        "b2": (1, 6 * HIDDEN),
        "fc": (6, HIDDEN),
        "fc_b": (6,),
    }
    constants = {name: draw(*shape) for name, shape in shapes.items()}
    constants |= {
        "zero": np.int64(0),
        "one": np.int64(1),
        "axes": np.array([0], np.int64),
        "two": np.array([2], np.int64),
        "hidden": np.array([HIDDEN], np.int64),
        "merge": np.array([0, 0, -1], np.int64),
    }
    inputs = {"frames": draw(1, STEPS, INPUTS, scale=1)}
    node = helper.make_node
    filler = numpy_helper.from_array(np.zeros(1, np.float32))
    nodes = [
        node("Transpose", ["frames"], ["x"], perm=[1, 0, 2]),
        node("Shape", ["x"], ["dims"]),
        node("Gather", ["dims", "one"], ["n"], axis=0),
        node("Unsqueeze", ["n", "axes"], ["n1"]),
        node("Concat", ["two", "n1", "hidden"], ["state_shape"], axis=0),
        node("ConstantOfShape", ["state_shape"], ["state"], value=filler),
        node("Expand", ["nought", "state_shape"], ["cell"]),
        node(
            "LSTM",
            ["x", "w1", "r1", "b1", "", "state", "cell"],
            ["y1", "", ""],
            name="/rnn/LSTM",
            direction="bidirectional",
            hidden_size=HIDDEN,
        ),
        node("Transpose", ["y1"], ["y1t"], perm=[0, 2, 1, 3]),
        node("Reshape", ["y1t", "merge"], ["x2"]),
        node(
            "GRU",
            ["x2", "w2", "r2", "b2"],
            ["", "h2"],
            hidden_size=HIDDEN,
            linear_before_reset=1,
        ),
        node("Squeeze", ["h2", "axes"], ["last"]),
        node("Gemm", ["last", "fc", "fc_b"], ["scores"], transB=1),
    ]
    constants["nought"] = np.zeros((1, 1, 1), np.float32)
    return finish(nodes, 14, constants, inputs, ["scores"]), inputs


def write(name, model, inputs, outputs):
    (GOLDEN / f"{name}.onnx").write_bytes(model.SerializeToString())
    order = [inputs[i.name] for i in model.graph.input]
    order += [outputs[o.name] for o in model.graph.output]
    values = np.concatenate([v.ravel() for v in order]).astype("<f4")
    (GOLDEN / f"{name}.f32").write_bytes(values.tobytes())
    print(f"{name}: {len(model.graph.output)} outputs")


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for index, (name, (op, opset, options)) in enumerate(CASES.items()):
        constants, inputs = tensors(op, options, Draw(100 * index))
        model = build(op, opset, options, constants, inputs, 0)
        outputs = run(model, inputs)
        if options.get("layout"):
            constants, inputs, outputs = (
                {n: turn(n, v) for n, v in values.items()}
                for values in (constants, inputs, outputs)
            )
            model = build(op, opset, options, constants, inputs, 1)
        write(name, model, inputs, outputs)
    model, inputs = stack(Draw(10_000))
    write("stack", model, inputs, run(model, inputs))


if __name__ == "__main__":
    main()
