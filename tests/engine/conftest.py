"""How thoroughly the engine's properties are searched: HYPOTHESIS_PROFILE=dev (the default), same, ci or night."""

import os

from hypothesis import HealthCheck, settings

_SLOW_DATA = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("dev", max_examples=200, deadline=None, suppress_health_check=_SLOW_DATA)
settings.register_profile("ci", max_examples=2_000, deadline=None, suppress_health_check=_SLOW_DATA)
settings.register_profile("night", max_examples=50_000, deadline=None, suppress_health_check=_SLOW_DATA)
# The same examples every time.
settings.register_profile(
    "same", max_examples=100, deadline=None, suppress_health_check=_SLOW_DATA, derandomize=True, database=None
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
