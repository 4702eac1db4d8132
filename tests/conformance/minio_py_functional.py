"""Runs the functional tests of minio-py's source distribution, all of them: the suite itself ends at the first failure.

`minio_py_functional.py FOLDER`; the server is in the environment, one JSON line for each test is printed.
"""

import contextlib
import sys

sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True

import tests.functional.tests as suite  # noqa: E402  (from the folder)


def call_and_go_on(*arguments, **named):
    with contextlib.suppress(suite.TestFailed):
        call(*arguments, **named)


call, suite._call_test = suite._call_test, call_and_go_on
suite.main()
