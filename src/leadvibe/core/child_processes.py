"""Child processes that end when their parent process ends."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def dies_with_parent(with_signal: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn` that asks Linux to send the child this signal when its parent dies, even of kill -9.

    Start the child from the main thread: the kernel watches the thread that forked. On other systems it does nothing;
    there the next start ends leftover processes.
    """
    parent = os.getpid()

    def request_signal() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the call
            os._exit(1)

    return request_signal
