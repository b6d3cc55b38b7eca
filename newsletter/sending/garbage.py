"""While a send runs, Python's collector of cycles minds what the send makes, not the whole program again and again.

Claims and answers live for a moment and make no cycles. Left alone the collector would go through them hundreds of
times, and every now and then through the hundred thousand objects of the program itself, with all threads waiting.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_MANY = 20_000  # new objects until the collector looks at them; usually 700

_turn = Lock()
_usual: list[tuple[int, int, int]] = []  # one for each send that runs in this process


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Until the last of the sends that run at once has ended."""
    with _turn:
        _usual.append(gc.get_threshold())
        gc.freeze()
        gc.set_threshold(_MANY, *_usual[0][1:])
    try:
        yield
    finally:
        with _turn:
            if len(_usual) == 1:
                gc.unfreeze()
                gc.set_threshold(*_usual[0])
            _usual.pop()
