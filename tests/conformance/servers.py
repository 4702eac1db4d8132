"""Starts what the suites run against: the gateway over its local store, SeaweedFS, the gateway over SeaweedFS.

Every port is chosen when a server starts; every process is ended by its id when its block is left.
"""

import base64
import contextlib
import dataclasses
import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.request

import install

# Made up for this run's servers, which listen on loopback and end with it.
USERS = {
    "main": ("AKIACONFORMANCEMAIN", "conformance-secret-of-main"),
    "alt": ("AKIACONFORMANCEALT", "conformance-secret-of-alt"),
}
# The gateway's at its store: an identity of `main`, so that buckets are one account's.
OWN_KEY = ("AKIACONFORMANCEGATEWAY", "conformance-secret-of-the-gateway")
START_SECONDS_MAX = 60
END_SECONDS_MAX = 20
STAGING_BUCKET = "sealgate-staging"


@dataclasses.dataclass
class Server:
    """A running S3 server."""

    host: str
    port: int

    @property
    def endpoint(self):
        return f"http://{self.host}:{self.port}"


@contextlib.contextmanager
def gateway_local(program, folder):
    """The gateway over the local backend."""
    backend = {"type": "local", "path": str(folder / "data"), "staging_bucket": STAGING_BUCKET}
    with gateway(program, folder, backend) as server:
        yield server


@contextlib.contextmanager
def gateway_seaweedfs(program, folder):
    """The gateway over SeaweedFS."""
    with seaweedfs(program, folder / "behind") as behind:
        access_key, secret_key = OWN_KEY
        backend = {
            "type": "s3",
            "endpoint": behind.endpoint,
            "region": "us-east-1",
            "path_style": True,
            "access_key_id": access_key,
            "secret_access_key": secret_key,
            "staging_bucket": STAGING_BUCKET,
        }
        with gateway(program, folder, backend) as server:
            yield server


@contextlib.contextmanager
def gateway(program, folder, backend):
    """The gateway with two tenants, `main` and `alt`, over `backend`."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    application = {
        "crypto": {"mode": "local-multi-keys", "update_period": "1h"},
        "backend": {key: value for key, value in backend.items() if key != "secret_access_key"},
        "listen": {"s3": f"127.0.0.1:{port}", "admin": "127.0.0.1:0"},
        "auth": {"allow_sse_c": True},
    }
    secret = {
        "crypto": {"tenant_keys": {name: seed() for name in USERS}},
        "cluster": {"keys": [seed(32)]},
        "tenants": [
            {"id": name, "bucket_prefix": name[0], "access_keys": [{"id": key, "secret": secret}]}
            for name, (key, secret) in USERS.items()
        ],
        "backend": {key: value for key, value in backend.items() if key == "secret_access_key"},
    }
    for name, content in (("application.json", application), ("secret.json", secret)):
        (folder / name).write_text(json.dumps(content))
        (folder / name).chmod(0o600)
    command = [program, "serve", "--config", folder / "application.json", "--secret", folder / "secret.json"]
    with process("gateway", command, folder), _answering(f"http://127.0.0.1:{port}/_/health"):
        yield Server("127.0.0.1", port)


@contextlib.contextmanager
def seaweedfs(_program, folder):
    """SeaweedFS: one master, one volume server, one filer, its S3 server, two accounts."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
    names += ("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc", "s3.port.iceberg", "s3.port.lance")
    ports = dict(zip(names, free_ports(len(names))))
    identities = [
        {
            "name": name,
            "credentials": [{"accessKey": key, "secretKey": secret} for key, secret in keys],
            "actions": ["Admin"] if name == "main" else ["Read", "Write", "List", "Tagging"],
            "account": {"id": name, "displayName": name, "emailAddress": f"{name}@example.com"},
        }
        for name, keys in (("main", [USERS["main"], OWN_KEY]), ("alt", [USERS["alt"]]))
    ]
    accounts = [identity["account"] for identity in identities]
    (folder / "s3.json").write_text(json.dumps({"identities": identities, "accounts": accounts}))
    command = [install.seaweedfs(), "-logtostderr", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
    command += [f"-dir={folder / 'data'}", f"-s3.config={folder / 's3.json'}"]
    command += ["-volume.max=2000", "-master.volumeSizeLimitMB=64", "-master.telemetry=false"]
    command += [f"-{name}={port}" for name, port in ports.items()]
    # A bucket is a collection with volumes of its own; one each is enough for tests.
    environment = {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
    with process("seaweedfs", command, folder, environment):
        with _answering(f"http://127.0.0.1:{ports['s3.port']}/"):
            yield Server("127.0.0.1", ports["s3.port"])


@contextlib.contextmanager
def process(name, command, folder, environment=None):
    """A process whose output goes to `folder/NAME.log`; ended by its id when the block is left."""
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), **(environment or {})}
    with open(folder / f"{name}.log", "wb") as log:
        running = subprocess.Popen(
            [str(word) for word in command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextlib.contextmanager
def _answering(url):
    """Waits until `url` answers anything at all."""
    until = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            break
        except urllib.error.HTTPError:
            break
        except OSError as error:
            if time.monotonic() > until:
                raise RuntimeError(f"{url} did not answer in {START_SECONDS_MAX} s; see the log beside its data") from error
            time.sleep(0.1)
    yield


def free_ports(count):
    """Ports that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def seed(length=48):
    return base64.b64encode(os.urandom(length)).decode()


TARGETS = {"gateway-local": gateway_local, "seaweedfs": seaweedfs, "gateway-seaweedfs": gateway_seaweedfs}


def new_folder(root, name):
    """An empty folder for one server's data."""
    import shutil

    folder = pathlib.Path(root) / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
