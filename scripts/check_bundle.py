#!/usr/bin/env python3
"""Checks that every task file of a bundle is plain ONNX that others can run.

    python3 -m venv target/venv
    target/venv/bin/pip install -r scripts/requirements.txt
    target/venv/bin/python scripts/check_bundle.py BUNDLE_DIR [--quiet] [--only PART]

For each *.onnx below BUNDLE_DIR: onnx.checker on the file where it lies, so
that its external data is looked for too, and one run in ONNX Runtime on
numbers of the declared types and shapes. Prints a line a file, or only for
those that fail, and a summary; the exit code is 1 if anything failed, 2 if
there was nothing to check.
"""

import argparse
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


def example(port, random):
    """Numbers for one input. Integers may be indices, so they are 0."""
    dtype = DTYPES[port.type]
    # A symbolic dimension of a whole model is taken as one.
    shape = [d if isinstance(d, int) else 1 for d in port.shape]
    if np.issubdtype(dtype, np.floating):
        return random.standard_normal(shape).astype(dtype)
    return np.zeros(shape, dtype)


def shape_matches(declared, got):
    """Whether an output is of the shape that the file declares."""
    numbers = all(d == g for d, g in zip(declared, got) if isinstance(d, int))
    return len(declared) == len(got) and numbers


def check(path, random):
    """A line on what was seen; raises what is wrong."""
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    feeds = {p.name: example(p, random) for p in session.get_inputs()}
    outputs = session.run(None, feeds)
    for port, value in zip(session.get_outputs(), outputs):
        if not shape_matches(port.shape, value.shape):
            raise ValueError(f"output {port.name} is {value.shape}, declared {port.shape}")
        if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
            raise ValueError(f"output {port.name} has values that are not finite")
    shapes = [list(v.shape) for v in outputs]
    return f"{len(feeds)} inputs, outputs {shapes}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=pathlib.Path)
    parser.add_argument("--only", default="", help="check only paths that contain this")
    parser.add_argument("--quiet", action="store_true", help="no line for files that pass")
    args = parser.parse_args()
    files = sorted(args.bundle.rglob("*.onnx")) if args.bundle.is_dir() else []
    files = [f for f in files if args.only in str(f)]
    if not files:
        print(f"no *.onnx below {args.bundle}")
        return 2
    random = np.random.default_rng(0)
    failed = 0
    for path in files:
        name = path.relative_to(args.bundle)
        try:
            seen = check(path, random)
            if not args.quiet:
                print(f"ok      {name}: {seen}")
        except Exception as error:  # whatever a file does, the next one is checked
            failed += 1
            print(f"FAILED  {name}: {type(error).__name__}: {error}")
    print(f"{len(files) - failed} of {len(files)} files passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
