"""Runs test cases of CPython's own suite: as a function of the runtime, or natively to compare.

    python3 run.py MODULE...        natively: JSON lines of the results

A case is a test method; its name is `module.Class.method`, or that of what the module has instead.
"""

import os
import sys
import tempfile
import unittest
import zlib

_LIBRARY = "/var/task/Lib"


def cases(suite):
    """The cases of a suite, in its order."""
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from cases(each)
        else:
            yield each


def in_share(name, share):
    """Whether a case belongs to a sample: `share` of 1,000 of the suite."""
    return zlib.crc32(name.encode()) % 1000 < share


class Result(unittest.TestResult):
    """Notes how each case ended: one that fails in a subtest has failed."""

    def __init__(self, started):
        super().__init__()
        self.outcomes = {}
        self.reasons = {}
        self._started = started

    def startTest(self, test):
        super().startTest(test)
        self._started(test.id())

    def _note(self, test, outcome, reason=""):
        name = test.test_case.id() if isinstance(test, unittest.case._SubTest) else test.id()
        if self.outcomes.get(name) != "failed":
            self.outcomes[name] = outcome
            if reason:
                self.reasons[name] = reason

    def _failed(self, test, error):
        try:
            reason = f"{error[0].__name__}: {error[1]}"
        except Exception as another:
            reason = f"{error[0].__name__}, and its text fails: {another!r}"
        self._note(test, "failed", reason[:500])

    def addSuccess(self, test):
        self._note(test, "passed")

    def addError(self, test, error):
        self._failed(test, error)

    def addFailure(self, test, error):
        self._failed(test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._failed(test, error)

    def addSkip(self, test, reason):
        self._note(test, "skipped", reason)

    def addExpectedFailure(self, test, error):
        self._note(test, "passed")

    def addUnexpectedSuccess(self, test):
        self._note(test, "failed", "an unexpected success")


def collect(module, share=1000):
    """The names of a module's cases: all, or a sample of so many of 1,000."""
    names = [case.id() for case in cases(unittest.defaultTestLoader.loadTestsFromName(module))]
    return [name for name in names if in_share(name, share)]


def run(module, names, started=lambda name: None):
    """Runs the named cases of a module: outcomes and reasons by name."""
    wanted = set(names)
    suite = unittest.TestSuite()
    # One suite for all keeps what classes and modules set up.
    suite.addTests(case for case in cases(unittest.defaultTestLoader.loadTestsFromName(module)) if case.id() in wanted)
    result = Result(started)
    suite.run(result)
    return result


def prepare():
    """What the suite's own runner sets up: cases write into the working directory."""
    from test import support
    from test.support import socket_helper, threading_helper
    support.verbose = 0
    # What the suite takes for granted of WASI is not so here.
    support.has_socket_support = threading_helper.can_start_thread = socket_helper.has_gethostname = True
    os.chdir(tempfile.mkdtemp())
    # The interpreter holds its library without the sources: those who import a module afresh find it there.
    if os.path.isdir(_LIBRARY):
        sys.path.append(_LIBRARY)
        for name, module in list(sys.modules.items()):
            folder = os.path.join(_LIBRARY, *name.split("."))
            if hasattr(module, "__path__") and os.path.isdir(folder):
                module.__path__ = [*module.__path__, folder]


def handler(event):
    import io
    out, error = sys.stdout, sys.stderr
    prepare()
    if "cases" not in event:
        return collect(event["module"], event.get("share", 1000))
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    try:
        result = run(event["module"], event["cases"], lambda name: print(name, file=out))
    finally:
        sys.stdout, sys.stderr = out, error
    return {"outcomes": result.outcomes, "reasons": result.reasons}


if __name__ == "__main__":
    import io
    import json
    prepare()
    # What cases print is no result.
    report, sys.stdout = sys.stdout, io.StringIO()
    for module in sys.argv[1:]:
        try:
            result = run(module, collect(module))
        except BaseException as error:
            print(json.dumps([module, {}, {"": repr(error)}]), file=report)
        else:
            print(json.dumps([module, result.outcomes, result.reasons]), file=report, flush=True)
