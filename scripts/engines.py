#!/usr/bin/env python3
"""How fast the engines are against ONNX Runtime: docs/engines.md.

    cargo build --release -p quorate -p quorate-lab
    python3 -m venv target/venv
    target/venv/bin/pip install -r scripts/requirements.txt
    target/venv/bin/python scripts/engines.py -o docs/engines.md

Each model is packed for one device. Its task files are run by the built-in
engine and by ONNX Runtime's library through the program (`--engine auto` where the
library is installed), and the model's own file by ONNX Runtime in Python: one
process each, in turns, the fastest of all turns counts. Nothing else should run
meanwhile.
`--models NAME,...` takes some only.
"""

import argparse
import datetime
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy
import onnxruntime

from golden import ROOT

PROGRAMS = ROOT / "target/release"
# Names of the zoo, and files that are looked for in the folder beside the project.
MODELS = {
    "AlexNet": "alexnet",
    "VGG16": "vgg16",
    "ResNet-50": "resnet50",
    "Inception v3, u8 weights": "inception_v3_imagenet_u8w.onnx",
    "MobileNetV2": "mobilenet_v2_imagenet.onnx",
    "C3D": "c3d",
    "two-stream": "two-stream",
    "transformer": "transformer",
    "LSTM": "lstm",
    "MLP": "mlp",
}
TYPES = {"tensor(float)": numpy.float32, "tensor(int64)": numpy.int64, "tensor(uint8)": numpy.uint8}
ENGINES = ["built-in", "library"]


def memory_mb(key):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"no {key} in /proc/self/status")


def one(model, threads, rounds):
    """ONNX Runtime by itself, in a process of its own."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    before = memory_mb("VmRSS")
    began = time.perf_counter()
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    load = time.perf_counter() - began
    random = numpy.random.default_rng(1)
    inputs = {}
    for port in session.get_inputs():
        shape = [length if isinstance(length, int) else 1 for length in port.shape]
        inputs[port.name] = random.uniform(-1, 1, shape).astype(TYPES[port.type])
    best = math.inf
    for number in range(rounds + 1):
        began = time.perf_counter()
        session.run(None, inputs)
        if number:
            best = min(best, time.perf_counter() - began)
    memory = memory_mb("VmHWM") - before
    print(json.dumps({"load_ms": load * 1e3, "run_ms": best * 1e3, "memory_mb": memory}))


def said(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def packed(name, source, folder):
    """The model's file, and its task files for one device."""
    if source.endswith(".onnx"):
        model = ROOT.parent / "shared/data" / source
        if not model.exists():
            print(f"{name}: skipped, no {source}", file=sys.stderr)
            return None
    else:
        model = folder / f"{source}.onnx"
        subprocess.run([PROGRAMS / "quorate-lab", "zoo", source, "-o", model], check=True)
    outputs = [port.name for port in onnxruntime.InferenceSession(model).get_outputs()]
    plan, bundle = folder / "plan.toml", folder / "bundle"
    quorate = [PROGRAMS / "quorate", "--engine", "tract"]
    whole = ["--devices", "1", "--spares", "0", "--whole", ",".join(outputs)]
    for command in (["plan", model, *whole, "-o", plan], ["pack", model, plan, "-o", bundle]):
        subprocess.run([*quorate, *command], check=True, stderr=subprocess.DEVNULL)
    return model, sorted((bundle / "pi-1").glob("*.onnx"))


def measure(model, tasks, threads, turns, rounds):
    """The least of every figure over the turns, by engine."""
    time_tasks = ["time", *tasks, "--threads", str(threads), "--rounds", str(rounds)]
    alone = ["--one", model, "--threads", str(threads), "--rounds", str(rounds)]
    program = PROGRAMS / "quorate-lab"
    commands = {"alone": [sys.executable, __file__, *alone]}
    for engine in ENGINES:
        commands[engine] = [program, *time_tasks]
    commands["library"].append("--onnxruntime")
    best = {}
    for _ in range(turns):
        for engine, command in commands.items():
            for key, value in said(command).items():
                figures = best.setdefault(engine, {})
                figures[key] = min(value, figures.get(key, math.inf))
    return best


def mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def page(rows, threads):
    lines = [
        "# Engines",
        "",
        "Times against ONNX Runtime running the model's own file in Python: below 1 is faster. "
        "`library` is what `--engine auto` takes where ONNX Runtime's library is installed, "
        "`built-in` (tract) what it takes elsewhere; both run the task files of a plan for one "
        "device. "
        "Made by `scripts/engines.py` on "
        f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}, {processor()}, "
        f"ONNX Runtime {onnxruntime.__version__}.",
    ]
    for count in threads:
        plural = "" if count == 1 else "s"
        lines += ["", f"## {count} thread{plural}", ""]
        head = ["model", "ONNX Runtime"]
        head += [f"{engine}, {what}" for what in ("run", "load", "memory") for engine in ENGINES]
        lines += [f"| {' | '.join(head)} |", "| --- " + "| ---: " * (len(head) - 1) + "|"]
        ratios = {}
        for name, measured in rows.items():
            alone = measured[count]["alone"]
            cells = [name, "{run_ms:.1f} ms, load {load_ms:.0f} ms, {memory_mb:.0f} MB".format(**alone)]
            for key in ("run_ms", "load_ms", "memory_mb"):
                for engine in ENGINES:
                    ratio = measured[count][engine][key] / max(alone[key], 1e-3)
                    ratios.setdefault((key, engine), []).append(max(ratio, 1e-3))
                    cells.append(f"{ratio:.2f}")
            lines.append(f"| {' | '.join(cells)} |")
        means = [f"**{mean(values):.2f}**" for values in ratios.values()]
        lines.append(f"| **geometric mean** |  | {' | '.join(means)} |")
    return "\n".join(lines) + "\n"


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return "an unknown processor"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", default="docs/engines.md")
    parser.add_argument("--models", help="only these of the zoo or files")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        return one(args.one, int(args.threads), args.rounds)
    threads = [int(count) for count in args.threads.split(",")]
    only = args.models.split(",") if args.models else list(MODELS.values())
    rows = {}
    for name, source in MODELS.items():
        if source not in only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            files = packed(name, source, pathlib.Path(folder))
            if files is None:
                continue
            rows[name] = {n: measure(*files, n, args.turns, args.rounds) for n in threads}
        for count, measured in rows[name].items():
            ratios = [measured[e]["run_ms"] / measured["alone"]["run_ms"] for e in ENGINES]
            print(f"{name}, {count}: " + " | ".join(f"{r:.2f}" for r in ratios), flush=True)
    pathlib.Path(args.output).write_text(page(rows, threads))


if __name__ == "__main__":
    main()
