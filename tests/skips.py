"""What was not tried has not passed: with CHAOSD_NO_SKIPS=1, as in `.ci/run`, a test that skips itself fails."""

import os
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    return _judged((yield))


def _judged(report: Any) -> Any:
    if os.environ.get("CHAOSD_NO_SKIPS") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        *_, reason = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"not tried, and CHAOSD_NO_SKIPS is set: {reason}"
    return report  # type: ignore[return-value]  # so a wrapper hands on its result
