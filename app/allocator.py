"""What the C library keeps of freed memory: bounded, and given back.

glibc makes an arena for each thread that asks at the same time as another, up to eight times the cores, and
each keeps what was freed in it. A server whose jobs run on threads of their own grows by that and not by what
it holds.
"""

import ctypes
import gc

ARENAS = 2
M_ARENA_MAX = -8  # malloc.h


def bound() -> None:
    """Let all threads share ARENAS. Before threads are started; nothing happens without glibc."""
    _call("mallopt", M_ARENA_MAX, ARENAS)


def trim() -> None:
    """Give freed memory back to the system."""
    gc.collect()
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*arguments)
