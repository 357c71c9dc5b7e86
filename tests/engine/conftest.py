"""Hypothesis profiles for the engine's properties. HYPOTHESIS_PROFILE names one; the default is dev."""

import os

from hypothesis import HealthCheck, settings

_SLOW_DATA = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("dev", max_examples=200, deadline=None, suppress_health_check=_SLOW_DATA)
settings.register_profile("ci", max_examples=2_000, deadline=None, suppress_health_check=_SLOW_DATA)
settings.register_profile("night", max_examples=50_000, deadline=None, suppress_health_check=_SLOW_DATA)
# The same examples in every run.
settings.register_profile(
    "same", max_examples=100, deadline=None, suppress_health_check=_SLOW_DATA, derandomize=True, database=None
)
# Fewer of them, because mutation testing runs the properties for many mutants.
settings.register_profile("mutants", settings.get_profile("same"), max_examples=25)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
