#!/usr/bin/env python3
"""A throw-away Garage of one node. See `running.py`.

It is built from the Rust registry, once: a program of its own (AGPL), which nothing of ours is linked with or ships. The
build takes some ten minutes on two cores.
"""

import os
import re
import subprocess
import sys

from running import free_ports, serve, stamped

VERSION = "2.5.0"
CONFIGURATION = """
metadata_dir = "{folder}/meta"
data_dir = "{folder}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{secret}"
[s3_api]
s3_region = "us-east-1"
api_bind_addr = "127.0.0.1:{s3}"
root_domain = ".s3.localhost"
[admin]
api_bind_addr = "127.0.0.1:{admin}"
"""


def built(folder):
    """The path of the server's program."""

    def make(place):
        command = ["cargo", "install", "garage", "--version", VERSION, "--locked", "--debug", "--quiet", "--root", place]
        command += ["--no-default-features", "--features", "bundled-libs,sqlite"]
        environment = {"CARGO_TARGET_DIR": str(folder / "garage-build"), "CARGO_PROFILE_DEV_DEBUG": "0"}
        # away from the folder of a crate with settings of its own
        if subprocess.run(command, cwd=folder, env={**os.environ, **environment}).returncode != 0:
            sys.exit(f"garage {VERSION} could not be built: check the way to the Rust package registry; it needs cc and make")

    stamped(folder / "garage", VERSION, make)
    return folder / "garage" / "bin" / "garage"


def started(servers, folder, program):
    rpc, s3, admin = free_ports(3)
    file = folder / "garage.toml"
    secret = os.urandom(32).hex()
    file.write_text(CONFIGURATION.format(folder=folder, rpc=rpc, s3=s3, admin=admin, secret=secret))
    file.chmod(0o600)
    garage = lambda *arguments: servers.run(program, "-c", file, *arguments)
    servers.start("garage", program, "-c", file, "server")

    def has_joined():
        try:
            return "HEALTHY" in garage("status")
        except RuntimeError:
            return False

    servers.until(has_joined, "the node")
    node = garage("node", "id", "-q").split("@")[0].strip()
    garage("layout", "assign", "-z", "one", "-c", "10G", node)
    garage("layout", "apply", "--version", "1")
    key = garage("key", "create", "main")
    field = lambda name: re.search(rf"^{name}: *(\S+)", key, re.MULTILINE)[1]
    garage("key", "allow", "--create-bucket", "main")
    return {
        "endpoint": f"http://127.0.0.1:{s3}",
        "access_key": field("Key ID"),
        "secret_key": field("Secret key"),
        "domain": f"s3.localhost:{s3}",
        "version": f"garage=={VERSION}",
    }


if __name__ == "__main__":
    serve("garage", built, started)
