"""Fixtures of the integration tests. A skipped test's reason is judged by tools/run-tests (tests/allowed-skips.txt)."""
import os
import sys

import pytest
from _pytest.runner import runtestprotocol

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import box  # noqa: E402
import netlab  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "root: needs root; skipped for ordinary users")
    if not os.access(box.SANDLOCK, os.X_OK):
        pytest.exit(f"the integration tests need a built sandlock; there is none at {box.SANDLOCK}", 4)


def pytest_runtest_setup(item):
    if item.get_closest_marker("root") and not box.IS_ROOT:
        pytest.skip("allowed: root only, and root runs it in the other pass")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """In continuous integration a skip is a failure unless its reason says that it is allowed."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("SANDLOCK_CI") == "1" and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith("allowed:"):
            report.outcome = "failed"
            report.longrepr = f"skipped in continuous integration, which nothing allows: {reason}"


def pytest_sessionfinish():
    box.remove_compiled()


@pytest.fixture
def work(tmp_path):
    """A folder that the test grants."""
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def outside(tmp_path):
    """A folder that the test does not grant, with a secret in it."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "secret.txt").write_text("the secret\n")
    return path


@pytest.fixture
def marked():
    mark = box.Marked()
    yield mark
    mark.none_left(0)


@pytest.fixture(scope="session")
def made_lab():
    made = netlab.Lab()
    yield made
    made.close()


@pytest.fixture
def lab(made_lab):
    """The two network namespaces, with an empty zone and an empty record. For tests marked root."""
    made_lab.zone({})
    made_lab.forget()
    return made_lab


def pytest_runtest_protocol(item, nextitem):
    """In continuous integration a test that failed is tried once more, and the report says so: machines stall."""
    if os.environ.get("SANDLOCK_CI") != "1":
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed for report in reports):
        print(f"\nnot at once: {item.nodeid}", file=sys.__stderr__, flush=True)
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
