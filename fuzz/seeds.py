#!/usr/bin/env python3
"""Makes the seeds that fuzzing starts from, in fuzz/seeds.

    python3 -m venv target/venv
    target/venv/bin/pip install -r scripts/requirements.txt
    target/venv/bin/python fuzz/seeds.py

Three seeds come from elsewhere: plan/lenet5.toml is what
`quorate plan assets/lenet5.onnx --devices 2 --spares 1` writes, plan/mixed.toml
the same with `--method spatial,/fc1/Gemm=input,/fc2/Gemm=whole --whole
/MaxPool_output_0 --f16 /fc1/Gemm`, and input/picture.jpg was written by the image crate (a case byte, then 2 x 1
pixels).
"""

import gzip
import io
import pathlib
import struct
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SEEDS = pathlib.Path(__file__).resolve().parent / "seeds"


def write(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def frame(kind, body):
    """A frame behind its length; crates/core/src/frame.rs and the files in frame/ have the layout."""
    head = b"QR" + bytes([2, kind])
    return head + struct.pack("<I", zlib.crc32(head + body)) + body


def frames():
    run = struct.pack("<QQ", 7, 2)
    write("frame", "worker", frame(1, bytes(17) + b"\4pi-1" + struct.pack("<HQ", 1, 99)))
    write("frame", "gateway", frame(1, b"\1" + run + b"\0" + struct.pack("<H", 0)))
    ids = struct.pack("<Q", 99) + run + struct.pack("<QQQIIHH", 258, 31, 4, 1, 10**6, 3, 2)
    shape = struct.pack("<IIBBHII", 4, 6, 1, 2, 0, 1, 2)
    for kind, name in (2, "input"), (3, "shard"):
        write("frame", name, frame(kind, ids + shape + struct.pack("<ff", 1, 2)))
    write("frame", "watermark", frame(4, run + struct.pack("<QHQQ", 10, 2, 12, 14)))
    write("frame", "heartbeat", frame(5, struct.pack("<6Q", 1, 2, 3, 4, 5, 6)))


def model(nodes, shape_in, shape_out, weights):
    """The bytes of a small model with input x and output y."""
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", shape_in)],
        [value("y", shape_out)],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString()


def archives():
    arrays = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "mask": np.array([True, False])}
    for name, save in ("stored", np.savez), ("deflated", np.savez_compressed):
        made = io.BytesIO()
        save(made, **arrays)
        write("npz", name, made.getvalue())


def models():
    node = helper.make_node
    ones = lambda *shape: np.ones(shape, np.float32)
    conv = [
        node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "v", "d"], ["y"], transB=1),
    ]
    weights = {"w": ones(2, 1, 3, 3), "b": ones(2), "v": ones(3, 8), "d": ones(3)}
    write("onnx", "conv", model(conv, ["N", 1, 4, 4], ["N", 3], weights))
    branches = [
        node("MatMul", ["x", "w"], ["a"]),
        node("Sigmoid", ["x"], ["s"]),
        node("Concat", ["a", "s"], ["c"], axis=1),
        node("Shape", ["c"], ["n"]),
        node("Reshape", ["c", "n"], ["r"]),
        node("Softmax", ["r"], ["y"], axis=-1),
    ]
    write("onnx", "branches", model(branches, [1, 3], [1, 5], {"w": ones(3, 2)}))
    norm = [
        node("BatchNormalization", ["x", "m", "m", "m", "m"], ["b"]),
        node("Transpose", ["b"], ["t"], perm=[0, 2, 3, 1]),
        node("GlobalAveragePool", ["b"], ["g"]),
        node("Slice", ["t", "from", "to"], ["s"]),
        node("ReduceMean", ["s"], ["e"], axes=[1, 2], keepdims=0),
        node("Squeeze", ["g", "axes"], ["q"]),
        node("Add", ["e", "q"], ["y"]),
    ]
    numbers = {"from": np.array([0]), "to": np.array([1]), "axes": np.array([2, 3])}
    write("onnx", "norm", model(norm, [1, 2, 3, 3], [1, 2], {"m": ones(2), **numbers}))
    lstm = [node("LSTM", ["x", "w", "r"], ["y", ""], hidden_size=2)]
    weights = {"w": ones(1, 8, 3), "r": ones(1, 8, 2)}
    write("onnx", "lstm", model(lstm, [4, 1, 3], [4, 1, 1, 2], weights))
    quantised = [
        node("DequantizeLinear", ["w", "scale", "zero"], ["v"]),
        node("Conv", ["x", "v"], ["c"], group=2),
        node("Clip", ["c", "", "six"], ["y"]),
    ]
    weights = {
        "w": np.ones((2, 1, 1, 1), np.uint8),
        "scale": np.float32(0.5),
        "zero": np.uint8(3),
        "six": np.float32(6),
    }
    write("onnx", "quantised", model(quantised, [1, 2, 2, 2], [1, 2, 2, 2], weights))


def png(width, height, kind, pixels):
    """A PNG of 8-bit samples; kind 0 is grey, 2 is RGB."""
    chunk = lambda tag, data: (
        struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))
    )
    row = len(pixels) // height
    rows = b"".join(b"\0" + pixels[i * row : (i + 1) * row] for i in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def inputs():
    """The first byte chooses a case of fuzz_targets/input.rs."""
    idx = bytes([0, 0, 8, 3]) + struct.pack(">III", 2, 2, 2) + bytes(range(8))
    array = io.BytesIO()
    np.save(array, np.ones((2, 2, 3), np.float64))
    for name, case, data in [
        ("grey.png", 0, png(2, 2, 0, bytes(4))),
        ("colour.png", 1, png(2, 3, 2, bytes(range(18)))),
        ("array.npy", 2, array.getvalue()),
        ("idx", 0, idx),
        ("idx.gz", 3, gzip.compress(idx, mtime=0)),
        ("labels", 0, bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])),
        ("batch.bin", 4, bytes([3]) * 3073),
        ("batch.bin.gz", 5, gzip.compress(bytes([3]) * 6146, mtime=0)),
    ]:
        write("input", name, bytes([case]) + data)


if __name__ == "__main__":
    frames()
    archives()
    models()
    inputs()
