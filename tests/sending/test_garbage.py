"""The collector of cycles is left alone only while a send runs, however many run at once."""

from __future__ import annotations

import gc

import pytest

from newsletter.sending.garbage import rarely_collected


def test_the_collector_is_as_it_was_when_the_last_send_has_ended() -> None:
    usual, frozen = gc.get_threshold(), gc.get_freeze_count()
    first, second = rarely_collected(), rarely_collected()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold()[0] > usual[0]
    assert gc.get_freeze_count() > frozen
    second.__exit__(None, None, None)
    assert (gc.get_threshold(), gc.get_freeze_count()) == (usual, 0)


def test_a_send_that_fails_gives_the_collector_back() -> None:
    usual = gc.get_threshold()
    with pytest.raises(ValueError, match="away"), rarely_collected():
        raise ValueError("away")
    assert (gc.get_threshold(), gc.get_freeze_count()) == (usual, 0)
