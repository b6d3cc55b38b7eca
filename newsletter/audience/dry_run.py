"""A dry run: weighs all of a file and writes nothing, so that nobody has to wait for it.

What a row would change must be known when the same address comes again. Only readers whose address stands in the file
more than once are remembered for that; which ones those are is told by a few bits a row, so that memory stays flat.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from newsletter.audience.claims import Claim, Effect, Intake, Outcome, Reader

_BYTES_A_BIT = 0.5  # of the file: a row has 30 bytes at least, so a bit is taken by another address one time in 60
_AT_LEAST = 1024


class Repeated:
    """The addresses of a file that stand in it more than once, and a few that do not."""

    def __init__(self, file_bytes: int) -> None:
        self.hashes: set[str] = set()
        self._seen = bytearray(_AT_LEAST + int(file_bytes / _BYTES_A_BIT) // 8)

    def see(self, address_hash: str) -> None:
        """Another row with this address; its hash is as good as chance."""
        byte, bit = divmod(int(address_hash[-15:], 16) % (len(self._seen) * 8), 8)
        if self._seen[byte] & 1 << bit:
            self.hashes.add(address_hash)
        self._seen[byte] |= 1 << bit


class DryRun:
    """Weighs claims like an intake, and keeps in mind what they would have changed."""

    def __init__(self, intake: Intake, repeated: Repeated) -> None:
        self._intake = intake
        self._repeated = repeated.hashes
        self._changed: dict[str, Reader] = {}

    def take(self, connection: Connection, claims: Sequence[Claim]) -> list[Outcome]:
        """What would become of these claims."""
        hashes = {claim.address_hash for claim in claims}
        readers = self._intake.known(connection, hashes - self._changed.keys())
        readers |= {found: self._changed[found] for found in hashes & self._changed.keys()}
        outcomes = [self._intake.weigh(readers[claim.address_hash], claim) for claim in claims]
        for outcome in outcomes:
            claim, found = outcome.claim, outcome.claim.address_hash
            changed = outcome.effect in (Effect.NEW, Effect.CHANGED) and found in self._repeated
            if changed or found in self._changed:
                self._changed[found] = readers[found].as_written(claim, self._intake.now)
        return outcomes
