"""How CPython divides its time between the event loop, threads that fold long histories, and the search for cycles."""

import gc
import sys
from typing import Final

SWITCH_SECONDS: Final = 0.0005
"""How long a thread that computes keeps the interpreter from an event loop that has something to do."""


def shorten_switch_interval() -> None:
    """Let the event loop have its turn beside threads that compute.

    A batch waits for the database a dozen times, and each time it would wait once more for the interpreter: 5 ms by
    default.
    """
    sys.setswitchinterval(SWITCH_SECONDS)


def tune_garbage_collection() -> None:
    """Collect cycles rarely: a batch makes a hundred thousand objects and no cycles, which searching them all slows."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
