"""Being told to stop while sending: what is under way is finished, the rest stays pending."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Said once, from any thread or signal handler, and heard by whatever is at work then or begins later."""

    def __init__(self) -> None:
        self._said = threading.Event()
        self._listeners: list[Callable[[], None]] = []

    def set(self) -> None:
        self._said.set()
        for listener in list(self._listeners):
            listener()

    def is_set(self) -> bool:
        return self._said.is_set()

    def wait(self, seconds: float) -> bool:
        """Whether it was said within that time."""
        return self._said.wait(seconds)

    @contextmanager
    def heard_by(self, listener: Callable[[], None]) -> Iterator[None]:
        self._listeners.append(listener)
        try:
            if self.is_set():
                listener()
            yield
        finally:
            self._listeners.remove(listener)


@contextmanager
def on_stop_signal(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on the first such signal; a second one ends the process as usual.

    Elsewhere than in the main thread Python takes no signals, and nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(_number: int, _frame: FrameType | None) -> None:
        restore()
        stop()

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
