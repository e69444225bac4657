#!/usr/bin/env python3
"""Makes the golden outputs that the engine's tests compare with.

    python3 -m venv target/venv
    target/venv/bin/pip install -r scripts/requirements.txt
    target/venv/bin/python scripts/golden.py [--data ../shared/data]

Runs each model of CASES in ONNX Runtime on the CPU and writes
crates/engine/tests/golden/NAME.f32: the model's first output for each input in
turn, as little-endian f32. The same table stands in
crates/engine/tests/golden.rs; change both together.

A model that is not there is left out, and its file stays as it is.
"""

import argparse
import gzip
import pathlib

import numpy as np
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
GOLDEN = ROOT / "crates/engine/tests/golden"

# name, model file, where its inputs come from, how many inputs
CASES = [
    ("lenet5", "lenet5.onnx", "mnist", 16),
    ("cifar10_cnn", "cifar10_cnn.onnx", "cifar", 4),
    ("alexnet_features", "alexnet_features_imagenet.onnx", "seeded", 1),
    ("mobilenet_v2", "mobilenet_v2_imagenet.onnx", "seeded", 1),
    ("inception_v3", "inception_v3_imagenet_u8w.onnx", "seeded", 1),
]


def splitmix64(count, seed):
    """The first `count` numbers of splitmix64 (Steele, Lea, Flood 2014)."""
    with np.errstate(over="ignore"):
        gamma = np.uint64(0x9E3779B97F4A7C15)
        z = np.uint64(seed) + gamma * np.arange(1, count + 1, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def seeded(shape, seed):
    """Values of mean 0 and variance 1: one splitmix64 number each, its four
    16-bit parts added up, less their mean, over their deviation."""
    z = splitmix64(int(np.prod(shape)), seed)
    parts = sum((z >> np.uint64(16 * k)) & np.uint64(0xFFFF) for k in range(4))
    centred = parts.astype(np.int64) - 2 * 65535
    return (centred.astype(np.float32) * np.float32(2.6428998e-05)).reshape(shape)


def inputs(kind, shape, count, data):
    """`count` inputs of `shape`."""
    if kind == "mnist":
        raw = gzip.decompress((ASSETS / "mnist-t10k-images-idx3-ubyte.gz").read_bytes())
        pixels = np.frombuffer(raw, np.uint8, count * 784, 16).reshape(count, *shape)
        return pixels.astype(np.float32) / np.float32(255)
    if kind == "cifar":
        raw = gzip.decompress((data / "cifar10-test1k.bin.gz").read_bytes())
        records = np.frombuffer(raw, np.uint8, count * 3073).reshape(count, 3073)
        return records[:, 1:].reshape(count, *shape).astype(np.float32)
    return np.stack([seeded(shape, seed) for seed in range(count)])


def make(name, file, kind, count, data):
    """Writes one golden file."""
    path = next((d / file for d in (ASSETS, data) if (d / file).exists()), None)
    if path is None:
        print(f"{name}: {file} is not there, left out")
        return
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    port = session.get_inputs()[0]
    outputs = [
        session.run(None, {port.name: x})[0].ravel()
        for x in inputs(kind, port.shape, count, data)
    ]
    values = np.concatenate(outputs).astype("<f4")
    (GOLDEN / f"{name}.f32").write_bytes(values.tobytes())
    print(f"{name}: {values.size} values, largest {np.abs(values).max():.6g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared/data")
    data = parser.parse_args().data
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        make(*case, data)


if __name__ == "__main__":
    main()
