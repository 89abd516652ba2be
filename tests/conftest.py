"""What holds for every test: none is timed, for machines have other things to do."""

from hypothesis import HealthCheck, settings

from tests.skips import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
