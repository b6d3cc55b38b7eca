"""A folder as a way out: one .eml file per delivery, which any mail program opens.

The file's name is the delivery's tag, so handing over twice leaves one mail and nothing is ever uncertain. A file
appears whole or not at all, and is on the disk before it is called accepted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from newsletter.errors import Refused
from newsletter.transports.mail import Answer, Mail, Quota, Recipient, Verdict
from newsletter.transports.mime import CompiledMail, compiled_mail

_TAG = re.compile(r"[A-Za-z0-9_-]{1,200}")


def _system_clock() -> datetime:
    return datetime.now(UTC)


class OutboxTransport:
    """Writes mails into `path`, one folder per send."""

    name = "outbox"
    scope = "outbox"
    batch_size = 50
    connections = 4
    idempotent = True

    def __init__(self, path: Path, *, now: Callable[[], datetime] = _system_clock) -> None:
        self.path = path
        self._now = now

    def quota(self) -> Quota:
        """A folder takes what it is given."""
        return Quota(rate=None, left_today=None)

    def prepare(self, mail: Mail) -> None:
        """Check that the folder can be written and the mail can be composed. Raises Refused."""
        compiled_mail(mail)
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Refused(self._cannot_write(error)) from None
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise Refused(self._cannot_write(PermissionError("permission denied")))

    def hand_over(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Answer]:
        """Write one file per recipient. Once the disk refuses, nobody after that is tried."""
        try:
            compiled = compiled_mail(mail)
        except Refused as error:
            return [Answer(Verdict.STOP, reason=str(error))] * len(recipients)
        answers: list[Answer] = []
        folders: set[Path] = set()
        stop: Answer | None = None
        for recipient in recipients:
            try:
                answers.append(stop or self._write(compiled, mail, recipient, folders=folders))
            except OSError as error:
                stop = Answer(Verdict.STOP, reason=self._cannot_write(error))
                answers.append(stop)
        try:
            for folder in folders:  # the new names, once per batch
                _sync(folder)
        except OSError as error:  # they may be lost yet: all are written again, same tags, same files
            return [Answer(Verdict.STOP, reason=self._cannot_write(error))] * len(recipients)
        return answers

    def _write(self, compiled: CompiledMail, mail: Mail, recipient: Recipient, *, folders: set[Path]) -> Answer:
        tag = recipient.tag
        if not _TAG.fullmatch(tag):
            return Answer(Verdict.REFUSED, reason=f"{tag[:80]!r} cannot name a file.")
        message_id = f"<{tag}@{mail.from_address.rpartition('@')[2]}>"
        folder = self.path / tag.partition("-")[0]
        file = folder / f"{tag}.eml"
        if not file.exists():
            try:
                data = compiled.message(recipient, message_id=message_id, date=self._now())
            except Refused as error:
                return Answer(Verdict.REFUSED, reason=str(error))
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_whole(file, data)
        folders.add(folder)
        return Answer(Verdict.ACCEPTED, message_id=message_id)

    def _cannot_write(self, error: OSError) -> str:
        why = (error.strerror or str(error)).lower()
        return f"The outbox {self.path} cannot be written: {why}. Make room or change its permissions, then resume."


def _write_whole(file: Path, data: bytes) -> None:
    """Write beside, sync, rename. Only one owner hands over a tag at a time, so the name beside is the tag's own."""
    beside = file.with_name(f".{file.stem}.part")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        beside.replace(file)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
