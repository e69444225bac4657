#!/usr/bin/env python3
"""Makes the golden outputs that the tests of the model zoo compare with.

    cargo build --release -p quorate-lab
    python3 -m venv target/venv
    target/venv/bin/pip install -r scripts/requirements.txt
    target/venv/bin/python scripts/zoo_golden.py [--full] [NAME ...]

Writes each model with `quorate-lab zoo NAME --small`, lets onnx.checker look at
it, runs it in ONNX Runtime on the CPU and writes
crates/lab/tests/golden/NAME.f32: the output for each of INPUTS inputs in turn,
as little-endian f32. Input n is `seeded` of golden.py with seed n.

`--full` does the same with the models in full size and one input, to
NAME_full.f32. `--activations` prints how large each value of the graph is.
"""

import argparse
import pathlib
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime

from golden import ROOT, seeded

GOLDEN = ROOT / "crates/lab/tests/golden"
INPUTS = 2


def session(path):
    """The model in ONNX Runtime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])


def activations(path, folder):
    """Prints the root of the mean square of every value."""
    model = onnx.load(path)
    output = model.graph.output[0].name
    model.graph.output.extend(model.graph.value_info)
    every = folder / "every.onnx"
    onnx.save(model, every)
    runtime = session(every)
    port = runtime.get_inputs()[0]
    names = [o.name for o in runtime.get_outputs()]
    for name, value in zip(names, runtime.run(None, {port.name: seeded(port.shape, 0)})):
        mark = "  <- output" if name == output else ""
        print(f"  {name:40} {np.sqrt(np.mean(np.square(value))):8.3f}{mark}")


def make(lab, name, args, folder):
    """Writes one golden file."""
    path = folder / f"{name}.onnx"
    size = [] if args.full else ["--small"]
    subprocess.run([lab, "zoo", name, *size, "-o", path], check=True)
    onnx.checker.check_model(path, full_check=True)
    if args.activations:
        print(name)
        activations(path, folder)
        return
    runtime = session(path)
    port = runtime.get_inputs()[0]
    seeds = range(1 if args.full else INPUTS)
    outputs = [runtime.run(None, {port.name: seeded(port.shape, n)})[0].ravel() for n in seeds]
    values = np.concatenate(outputs).astype("<f4")
    file = f"{name}_full.f32" if args.full else f"{name}.f32"
    (GOLDEN / file).write_bytes(values.tobytes())
    print(f"{name}: {values.size} values, largest {np.abs(values).max():.6g}", flush=True)
    path.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lab", type=pathlib.Path, default=ROOT / "target/release/quorate-lab")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--activations", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    listed = subprocess.run([args.lab, "zoo", "--list"], check=True, capture_output=True, text=True)
    names = args.names or [line.split()[0] for line in listed.stdout.splitlines()[1:]]
    GOLDEN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            make(args.lab, name, args, pathlib.Path(folder))


if __name__ == "__main__":
    main()
