#!/usr/bin/env python3
"""Runs conformance suites against servers and tells what differs. `run.py --help`; see README.md."""

import argparse
import json
import os
import pathlib
import signal
import sys

import install
import servers
from suites import SUITES


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--program", type=pathlib.Path, help="the gateway; by default the debug build")
    arguments.add_argument("--suite", action="append", choices=SUITES, help="default: all")
    arguments.add_argument("--target", action="append", choices=servers.TARGETS, help="default: all")
    arguments.add_argument("--only", help="a file with names of tests, or a comma-separated list (s3tests)")
    asked = arguments.parse_args()
    # so that the blocks that end the servers are left in order
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    program = (asked.program or install.TARGET / "debug" / "sealgate").resolve()
    only = names(asked.only)
    for target in asked.target or servers.TARGETS:
        for suite in asked.suite or SUITES:
            results(suite, target, program, only)


def results(suite, target, program, only=None):
    """Runs one suite against one fresh server, keeps what came out and prints a line."""
    folder = servers.new_folder(install.PLACE / "runs", f"{suite}.{target}")
    with servers.TARGETS[target](program, folder / "server") as server:
        work = folder / "work"
        work.mkdir()
        outcomes = SUITES[suite](server, work, only)
    if not outcomes:
        raise SystemExit(f"{suite} against {target} ran no test; see {folder}")
    outcomes.sort(key=lambda each: each["test"])
    count = {word: sum(each["outcome"] == word for each in outcomes) for word in ("passed", "failed", "skipped")}
    print(f"{suite:13} {target:18} " + "  ".join(f"{count[word]} {word}" for word in count), flush=True)
    (folder / "outcomes.json").write_text(json.dumps(outcomes, indent=0))
    return outcomes


def names(given):
    if given is None:
        return None
    return pathlib.Path(given).read_text().split() if os.path.exists(given) else given.split(",")


if __name__ == "__main__":
    sys.exit(main())
