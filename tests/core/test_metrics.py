"""Metrics of batches."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from leadvibe.core.metrics import BatchHistogram

BOUNDS = (0.005, 0.01, 1, 10)


def histogram() -> BatchHistogram:
    return BatchHistogram("seconds", "Seconds", buckets=BOUNDS, registry=CollectorRegistry())


@given(st.lists(st.sampled_from([0.0, *BOUNDS, 11.0]) | st.floats(0, 20)))
def test_a_batch_is_observed_like_its_amounts_one_by_one(amounts: list[float]) -> None:
    together, single = histogram(), histogram()
    together.observe_all(amounts)
    for amount in amounts:
        single.observe(amount)
    for (_, labels, value, *_), (_, expected_labels, expected, *_) in zip(
        together._child_samples(), single._child_samples(), strict=True
    ):
        assert labels == expected_labels
        assert abs(value - expected) < 1e-9
