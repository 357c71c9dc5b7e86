"""Tunes the process: thread switching, garbage collection, and the number of open files."""

import gc
import resource
import sys
from typing import Final

SWITCH_INTERVAL_SECONDS: Final = 0.0005
"""How long a computing thread may keep the interpreter from an event loop that is ready to run."""


def shorten_switch_interval() -> None:
    """Let the event loop run sooner beside threads that compute.

    A batch waits for the database a dozen times. Each time it would wait for the interpreter too, 5 ms by default.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)


def raise_file_limit() -> None:
    """Allow as many open files as the system does. Each connection is one, and many systems begin with 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def tune_garbage_collection() -> None:
    """Collect rarely: a batch creates a hundred thousand objects and no cycles, so searching them is wasted time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
