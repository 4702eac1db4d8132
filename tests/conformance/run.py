#!/usr/bin/env python3
"""Runs conformance suites against servers and tells what differs. `run.py --help`; see README.md."""

import argparse
import json
import os
import pathlib
import signal
import sys

import install
import report
import servers
from suites import SUITES

def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--program", type=pathlib.Path, help="the gateway; by default the debug build")
    arguments.add_argument("--suite", action="append", choices=SUITES, help="default: all")
    arguments.add_argument("--target", action="append", choices=servers.TARGETS, help="default: all")
    arguments.add_argument("--only", help="a file with names of tests, or a comma-separated list (s3tests)")
    arguments.add_argument("--again", action="store_true", help="only s3tests' tests that were red last time without a reason")
    arguments.add_argument("--fast", action="store_true", help="what CI runs: minutes, the local store, no document")
    asked = arguments.parse_args()
    # so that the blocks that end the servers are left in order
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    program = (asked.program or install.TARGET / "debug" / "sealgate").resolve()
    only = names(asked.only)
    targets, suites = asked.target or list(servers.TARGETS), asked.suite or list(SUITES)
    if asked.fast:
        targets, suites, only = ["gateway-local"], list(SUITES), names(install.HERE / "fast.txt")
    wrong = []
    for target in targets:
        for suite in suites:
            if asked.again:
                outcomes = repaired(suite, target, program)
            else:
                outcomes = results(suite, target, program, only)
            wrong += report.judged(suite, target, outcomes)
    if not asked.fast and only is None:
        report.write()
    print("\n".join(wrong))
    return 1 if wrong else 0


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


def repaired(suite, target, program):
    """The last outcomes of a suite, with those anew that were red without a reason, on a machine that was busy, say."""
    kept = install.PLACE / "runs" / f"{suite}.{target}" / "outcomes.json"
    last = json.loads(kept.read_text())
    reasons = report.Reasons()
    red = [each["test"] for each in last if each["outcome"] != "passed" and not reasons.of(suite, target, each["test"])]
    if suite != "s3tests" or not red:
        return last
    anew = {each["test"]: each for each in results(suite, target, program, red)}
    merged = [anew.get(each["test"], each) for each in last]
    kept.write_text(json.dumps(merged, indent=0))
    return merged


def names(given):
    if given is None:
        return None
    return pathlib.Path(given).read_text().split() if os.path.exists(given) else given.split(",")


if __name__ == "__main__":
    sys.exit(main())
