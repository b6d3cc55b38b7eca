"""Claims on their way from the first pass over a file to the second: on disk, thousands to a line, in flat memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

from newsletter.audience.claims import NOTHING_TOLD, Claim, Status
from newsletter.audience.consent import Basis, Ground
from newsletter.audience.ledger import Profile

_STATUS = {status.value: status for status in Status}
_BASIS: dict[str | None, Basis | None] = {None: None, **{basis.value: basis for basis in Basis}}
_GROUND: dict[str | None, Ground | None] = {None: None, **{ground.value: ground for ground in Ground}}


class Spool:
    """Takes claims one by one and gives them back in lists, in the same order."""

    def __init__(self, file: TextIO, chunk: int) -> None:
        self.file = file
        self.chunk = chunk
        self._waiting: list[list[Any]] = []

    def add(self, claim: Claim) -> None:
        self._waiting.append(_packed(claim))
        if len(self._waiting) >= self.chunk:
            self._flush()

    def __iter__(self) -> Iterator[list[Claim]]:
        self._flush()
        self.file.seek(0)
        for line in self.file:
            yield [_unpacked(packed) for packed in json.loads(line)]

    def _flush(self) -> None:
        if self._waiting:
            self.file.write(json.dumps(self._waiting) + "\n")
            self._waiting = []


def _packed(claim: Claim) -> list[Any]:
    return [
        claim.line,
        claim.address,
        claim.address_hash,
        claim.status,
        claim.occurred_at.timestamp(),
        claim.source,
        claim.basis,
        claim.expires_at and claim.expires_at.timestamp(),
        claim.profile.first_name,
        claim.profile.lang,
        claim.ground,
        claim.jurisdiction,
        claim.left_at and claim.left_at.timestamp(),
        claim.network_address,
        claim.paused_until and claim.paused_until.timestamp(),
    ]


def _unpacked(packed: list[Any]) -> Claim:
    line, address, hashed, status, when, source, basis, until, name, lang, ground, law, left, network, pause = packed
    return Claim(
        line,
        address,
        hashed,
        _STATUS[status],
        datetime.fromtimestamp(when, UTC),
        source,
        _BASIS[basis],
        None if until is None else datetime.fromtimestamp(until, UTC),
        Profile(name, lang) if name or lang else NOTHING_TOLD,
        _GROUND[ground],
        law,
        None if left is None else datetime.fromtimestamp(left, UTC),
        network,
        None if pause is None else datetime.fromtimestamp(pause, UTC),
    )
