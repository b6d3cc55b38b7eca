"""The outbox: whole files or none, once per delivery, and a plain word when the disk refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.errors import Refused
from newsletter.transports import outbox
from newsletter.transports.mail import Mail, Recipient, Verdict
from newsletter.transports.outbox import OutboxTransport

Reader = Callable[..., Recipient]
NOW = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)


def test_handing_over_twice_leaves_the_first_mail_as_it_was(tmp_path: Path, mail: Mail, reader: Reader) -> None:
    one = reader()
    first = OutboxTransport(tmp_path, now=lambda: NOW).hand_over(mail, [one])
    (file,) = tmp_path.rglob("*.eml")
    before = file.read_bytes()
    again = OutboxTransport(tmp_path).hand_over(mail, [one])
    assert first == again
    assert again[0].verdict is Verdict.ACCEPTED
    assert file.read_bytes() == before
    assert b"\r\nDate: Thu, 10 Oct 2024 10:30:00 +0000\r\n" in before


def test_a_file_is_named_by_its_tag_in_the_folder_of_its_send(tmp_path: Path, mail: Mail, reader: Reader) -> None:
    one = Recipient("ann@example.org", reader().fields, "k7f3m2qa-17-1")
    OutboxTransport(tmp_path).hand_over(mail, [one])
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()] == [
        "k7f3m2qa/k7f3m2qa-17-1.eml"
    ]


def test_a_file_half_written_by_a_killed_process_is_written_whole(tmp_path: Path, mail: Mail, reader: Reader) -> None:
    one = Recipient("ann@example.org", reader().fields, "k7f3m2qa-17-1")
    (tmp_path / "k7f3m2qa").mkdir()
    (tmp_path / "k7f3m2qa" / ".k7f3m2qa-17-1.part").write_bytes(b"From: half" * 10_000)
    (answer,) = OutboxTransport(tmp_path).hand_over(mail, [one])
    assert answer.verdict is Verdict.ACCEPTED
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file.read_bytes().endswith(b"--=_newsletter--\r\n")
    assert b"From: half" not in file.read_bytes()


def test_a_full_disk_stops_after_the_mails_that_fitted(
    tmp_path: Path, mail: Mail, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = iter([None, OSError(28, "No space left on device")])
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if isinstance(error := next(synced, None), OSError):
            raise error
        real(descriptor)

    monkeypatch.setattr(outbox.os, "fsync", fsync)
    answers = OutboxTransport(tmp_path).hand_over(mail, [reader(), reader(), reader()])
    assert [answer.verdict for answer in answers] == [Verdict.ACCEPTED, Verdict.STOP, Verdict.STOP]
    assert "no space left" in answers[1].reason
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("kind", ["a file in the way", "a parent that is a file"])
def test_an_outbox_that_cannot_be_written_stops_and_says_why(
    tmp_path: Path, mail: Mail, reader: Reader, kind: str
) -> None:
    path = tmp_path / "outbox"
    path.write_text("in the way")
    transport = OutboxTransport(path if kind == "a file in the way" else path / "deeper")
    with pytest.raises(Refused, match="cannot be written"):
        transport.prepare(mail)
    answers = transport.hand_over(mail, [reader(), reader()])
    assert [answer.verdict for answer in answers] == [Verdict.STOP, Verdict.STOP]
    assert "cannot be written" in answers[0].reason


def test_mails_are_for_their_owner_alone(tmp_path: Path, mail: Mail, reader: Reader) -> None:
    OutboxTransport(tmp_path).hand_over(mail, [reader()])
    (file,) = tmp_path.rglob("*.eml")
    assert file.stat().st_mode & 0o077 == 0
