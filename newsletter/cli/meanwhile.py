"""While a send goes on in the foreground: what comes back is taken in, and warnings are said as sentences."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from newsletter.cli.show import err, plain

if TYPE_CHECKING:
    from newsletter.app import App


class _Sentences(logging.Handler):
    """Warnings on standard error, above a bar of progress that may stand there."""

    def emit(self, record: logging.LogRecord) -> None:
        err.print(f"[yellow]{plain(' '.join(record.getMessage().split()))}[/yellow]")


@contextmanager
def warnings_said() -> Iterator[None]:
    """What the breaker and others log as warnings is said as all else is."""
    handler, logger = _Sentences(logging.WARNING), logging.getLogger("newsletter")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def listening(app: App) -> Iterator[None]:
    """With Amazon SES and a way back configured, suppressions and the breaker act during the send."""
    from newsletter.feedback.collect import Collector
    from newsletter.work.listening import listening as beside

    if app.settings.transport.kind != "ses":
        yield
        return
    with beside(Collector(app.store, app.settings, app.keys, app.now)) as heard:
        yield
    if heard.problem:
        err.print(f"[yellow]What came back could not be read meanwhile: {plain(heard.problem)}[/yellow]")
