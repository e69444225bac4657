#!/usr/bin/env python3
"""Flips bits of weights in the memory of a running worker, after all files were
checked, and says what comes of the answers.

    cargo build --release -p quorate
    python3 scripts/flips.py --spares 1 --requests 10000
    python3 scripts/flips.py --spares 2 --requests 10000 --weights 10 --bit 16

LeNet-5 over three devices and the spares, MNIST's test digits; the answers
before the damage are what is right. Needs Linux and the right to write to a
child's memory.
"""

import argparse
import collections
import json
import pathlib
import random
import struct
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/quorate"
MODEL = ROOT / "assets/lenet5.onnx"
DIGITS = ROOT / "assets/mnist-t10k-images-idx3-ubyte.gz"
# The relative error of an answer that is right, and the worker that is damaged.
TOLERANCE = 1e-4
DAMAGED = 2


def command(*words):
    subprocess.run([PROGRAM, *map(str, words)], check=True, capture_output=True)


def ask(bundle, requests, *more):
    words = [PROGRAM, "run", bundle, "--input", DIGITS, "--limit", str(requests), "--json", *more]
    started = time.monotonic()
    lines = subprocess.run(words, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines], time.monotonic() - started


def values(answer):
    return answer["outputs"][0]["values"] if "outputs" in answer else None


def apart(got, right):
    largest = max(abs(value) for value in right)
    return max(abs(a - b) for a, b in zip(got, right)) / largest


def rare_weights(folder, count):
    """Numbers that the folder's weights hold a few times: in the main plan and in others."""
    data = (folder / "weights.bin").read_bytes()
    words = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
    number = lambda word: abs(struct.unpack("<f", struct.pack("<I", word))[0])
    often = collections.Counter(words)
    rare = sorted(word for word, n in often.items() if n <= 8 and 0.02 < number(word) < 1e3)
    return set(random.Random(1).sample(rare, min(count, len(rare))))


def damage(pid, marks, bit):
    """Flips that bit of these numbers wherever the process has them; how many."""
    found = 0
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        bounds, rights = line.split()[:2]
        if not rights.startswith("rw") and not line.endswith("weights.bin"):
            continue
        start, end = (int(bound, 16) for bound in bounds.split("-"))
        try:
            with open(f"/proc/{pid}/mem", "rb+", buffering=0) as memory:
                memory.seek(start)
                data = memory.read(end - start)
                for at in range(0, len(data) - 3, 4):
                    word = struct.unpack_from("<I", data, at)[0]
                    if word in marks:
                        memory.seek(start + at)
                        memory.write(struct.pack("<I", word ^ 1 << bit))
                        found += 1
        except OSError:
            continue
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spares", type=int, default=1)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--weights", type=int, default=100, help="numbers that are damaged")
    parser.add_argument("--bit", type=int, default=26, help="of each: 0 the least, 30 the most")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        plan, bundle = folder / "plan.toml", folder / "bundle"
        size = ("--devices", 3, "--spares", args.spares)
        command("plan", MODEL, *size, "--verify", "correct", "-o", plan)
        command("pack", MODEL, plan, "-o", bundle)
        names = [f"pi-{i}" for i in range(1, 4 + args.spares)]
        start = lambda name: subprocess.Popen(
            [PROGRAM, "worker", "--name", name, "--bundle", bundle / name, "--end-with-parent"],
            stderr=subprocess.DEVNULL,
        )
        workers = [start(name) for name in names]
        try:
            tell(args, bundle, workers)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()


def tell(args, bundle, workers):
    # Until all connections are up, nothing can be said of the first answers.
    ask(bundle, 20)
    healthy, took = ask(bundle, args.requests)
    right = [values(answer) for answer in healthy]
    count = lambda answers, key: dict(collections.Counter(answer.get(key) for answer in answers))
    print(f"healthy: verified {count(healthy, 'verified')}, {took:.1f} s")
    marks = rare_weights(bundle / f"pi-{DAMAGED}", args.weights)
    found = damage(workers[DAMAGED - 1].pid, marks, args.bit)
    print(f"{len(marks)} weights of pi-{DAMAGED} damaged, in {found} places")
    for verify in "correct", "off":
        answers, took = ask(bundle, args.requests, "--verify", verify)
        got = [values(answer) for answer in answers]
        errors = [apart(a, b) for a, b in zip(got, right) if a is not None]
        wrong = sum(error > TOLERANCE for error in errors)
        print(
            f"{verify}: {len(errors)} answers of {args.requests}, {wrong} wrong, largest error "
            f"{max(errors):.1e}, verified {count(answers, 'verified')}, attempts "
            f"{count(answers, 'attempts')}, plans {count(answers, 'plan')}, {took:.1f} s"
        )


if __name__ == "__main__":
    main()
