"""A pytest plugin: writes one JSON line for each test, `{"test", "outcome", "seconds", "why"}`; can run named tests only."""

import json
import pathlib


def pytest_addoption(parser):
    parser.addoption("--outcomes", help="the file to write")
    parser.addoption("--only", help="a file with the names of the tests to run, one a line")
    parser.addoption("--deselect-class", help="tests of this class are not run")


def pytest_configure(config):
    if config.getoption("--outcomes") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config.getoption("--outcomes")))


def pytest_collection_modifyitems(config, items):
    only, without = config.getoption("--only"), config.getoption("--deselect-class")
    wanted = set(pathlib.Path(only).read_text().split()) if only else None

    def runs(item):
        name = name_of(item.nodeid)
        return (wanted is None or name in wanted) and f"::{without}::" not in name

    config.hook.pytest_deselected(items=[item for item in items if not runs(item)])
    items[:] = [item for item in items if runs(item)]


def name_of(nodeid):
    """`test_s3_object_v.py::TestX::test_y` becomes `object::TestX::test_y`."""
    file, _, test = nodeid.partition("::")
    file = pathlib.PurePath(file).stem.removeprefix("test_s3_").removesuffix("_v").removesuffix("_x")
    return f"{file}::{test}"


class Recorder:
    """Puts the phases of each test together."""

    def __init__(self, path):
        self.file = open(path, "w", buffering=1)
        self.tests = {}

    def pytest_runtest_logreport(self, report):
        test = self.tests.setdefault(report.nodeid, {"seconds": 0.0, "outcome": "passed", "why": ""})
        test["seconds"] += report.duration
        if report.skipped:
            test["outcome"] = "skipped"
        elif report.failed and report.when != "teardown":
            test["outcome"] = "failed"
        if (report.skipped or report.failed) and not test["why"]:
            crash = getattr(report.longrepr, "reprcrash", None)
            test["why"] = str(crash.message if crash else report.longrepr).strip().replace("\n", " ")[-300:]
        if report.when == "teardown":
            line = {"test": name_of(report.nodeid), **self.tests.pop(report.nodeid)}
            line["seconds"] = round(line["seconds"], 2)
            self.file.write(json.dumps(line) + "\n")
