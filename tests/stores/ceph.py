#!/usr/bin/env python3
"""A throw-away Ceph on one host: one monitor, one manager, one OSD in memory, one RADOS gateway. See `running.py`.

The servers are Debian's; they are installed if they are missing and this runs as root.
"""

import os
import shutil
import subprocess
import sys
import uuid

from running import answers, free_ports, new_keys, serve

PACKAGES = ["radosgw", "ceph-mon", "ceph-mgr", "ceph-osd", "ceph-common"]
# Daemons take ports of this many above the first by themselves.
PORTS = 60
CONFIGURATION = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
ms bind port min = {first}
ms bind port max = {last}
keyring = {folder}/keyring
run dir = {folder}/run
admin socket = {folder}/run/$name.$pid.asok
log file = {folder}/$name.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
mon data avail warn = 1
mon data avail crit = 0
[mon]
mon data = {folder}/mon
[mgr]
mgr data = {folder}/mgr
mgr initial modules =
[osd]
osd objectstore = memstore
osd data = {folder}/osd
memstore device bytes = 4294967296
osd class load list = *
osd class default list = *
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{rgw}
rgw data = {folder}/rgw
rgw crypt require ssl = false
rgw dynamic resharding = false
rgw thread pool size = 64
"""


def installed(_folder):
    """Whether all servers are there, else they are installed; their version."""
    if not all(shutil.which(program) for program in ("ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "ceph")):
        if os.geteuid() != 0:
            sys.exit(f"apt-get install --no-install-recommends {' '.join(PACKAGES)}")
        quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": sys.stderr, "check": True}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES], **quiet)
    said = subprocess.run(["radosgw", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2]


def started(servers, folder, version):
    ports = free_ports(3)
    (first,) = free_ports(1)
    first = min(first, 65_535 - PORTS)
    fsid = str(uuid.uuid4())
    for name in ("run", "rgw", "mgr", "osd"):
        (folder / name).mkdir()
    file, keyring, map_file = folder / "ceph.conf", folder / "keyring", folder / "monmap"
    file.write_text(CONFIGURATION.format(
        folder=folder, fsid=fsid, v2=ports[0], v1=ports[1], rgw=ports[2], first=first, last=first + PORTS))
    servers.environment["CEPH_CONF"] = str(file)
    run, everything = servers.run, ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"]
    run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    run("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *everything)
    run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{ports[0]},v1:127.0.0.1:{ports[1]}]", map_file)
    run("ceph-mon", "--mkfs", "-i", "a", "--monmap", map_file, "--keyring", keyring)
    servers.start("mon", "ceph-mon", "-f", "-i", "a")
    ceph = lambda *arguments: run("ceph", "--connect-timeout", "120", *arguments)

    def key_for(name, *caps):
        with open(keyring, "a") as known:
            known.write(ceph("auth", "get-or-create", name, *caps))

    key_for("mgr.a", "mon", "allow profile mgr", "osd", "allow *", "mds", "allow *")
    servers.start("mgr", "ceph-mgr", "-f", "-i", "a")
    osd = str(uuid.uuid4())
    ceph("osd", "new", osd, "0")
    key_for("osd.0", "mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *")
    key_for("client.rgw.a", "mon", "allow rw", "osd", "allow rwx", "mgr", "allow rw")
    run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
    servers.start("osd", "ceph-osd", "-f", "-i", "0")
    servers.until(lambda: "1 up" in ceph("osd", "stat"), "the OSD")
    servers.start("rgw", "radosgw", "-f", "-n", "client.rgw.a")
    servers.until(answers(f"http://127.0.0.1:{ports[2]}/"), "S3")
    access_key, secret_key = new_keys()
    run("radosgw-admin", "-n", "client.rgw.a", "user", "create", "--uid=main", "--display-name=main", "--max-buckets=10000",
        f"--access-key={access_key}", f"--secret-key={secret_key}")
    return {
        "endpoint": f"http://127.0.0.1:{ports[2]}",
        "access_key": access_key,
        "secret_key": secret_key,
        "version": f"radosgw=={version}",
    }


if __name__ == "__main__":
    serve("ceph", installed, started)
