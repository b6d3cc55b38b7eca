"""What an import, or a person at the keyboard, claims of a reader, and what the ledger makes of it.

A claim can add a reader, strengthen or renew a consent, end one, or suppress an address. It never turns a reader back
on who unsubscribed, is suppressed or was erased: that is `blocked`, with the reason. Making the same claim again
changes nothing. Claims are weighed in memory, thousands at a time, and written set by set.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import Connection

from newsletter.audience import ledger
from newsletter.audience.consent import (
    EVERYWHERE,
    OWN_YES,
    Basis,
    Entry,
    Event,
    Suppressed,
    Suppression,
    deciding,
    objection_to,
)
from newsletter.audience.ledger import Profile, Subscriber
from newsletter.audience.suppression import suppress_many, suppressions_of
from newsletter.config import NewsletterSettings


class Status(StrEnum):
    """What a claim says the reader is."""

    SUBSCRIBED = "subscribed"
    PENDING = "pending"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class Effect(StrEnum):
    """What became of a claim."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    BLOCKED = "blocked"


_TURNS_ON = (Status.SUBSCRIBED, Status.PENDING)
_SUPPRESSES = {Status.BOUNCED: Suppressed.HARD_BOUNCE, Status.COMPLAINED: Suppressed.COMPLAINT}
_STRENGTH = {None: 0, Basis.IMPLIED: 1, Basis.SOFT_OPT_IN: 2, Basis.EXPRESS: 3}
_FOR_EVER = datetime.max.replace(tzinfo=UTC)
NOTHING_TOLD = Profile()


@dataclass(frozen=True)
class Claim:
    """One row that passed validation."""

    line: int
    address: str
    address_hash: str
    status: Status
    occurred_at: datetime
    source: str
    basis: Basis | None = None
    expires_at: datetime | None = None
    profile: Profile = NOTHING_TOLD

    def to_json(self) -> str:
        """One line of text that `from_json` reads back."""
        until = self.expires_at and self.expires_at.isoformat()
        told = (self.profile.first_name, self.profile.lang)
        when = self.occurred_at.isoformat()
        return json.dumps(
            [self.line, self.address, self.address_hash, self.status, when, self.source, self.basis, until, *told]
        )

    @classmethod
    def from_json(cls, text: str) -> Claim:
        line, address, address_hash, status, when, source, basis, until, first_name, lang = json.loads(text)
        return cls(
            line,
            address,
            address_hash,
            Status(status),
            datetime.fromisoformat(when),
            source,
            Basis(basis) if basis else None,
            datetime.fromisoformat(until) if until else None,
            Profile(first_name, lang),
        )


@dataclass(frozen=True)
class Outcome:
    """What became of one claim, and why when it was blocked."""

    claim: Claim
    effect: Effect
    reason: str = ""


@dataclass
class _Reader:
    """What is known of one address, and what the claims of this round add to it."""

    subscriber: Subscriber | None
    listed: bool
    history: list[Entry]
    suppressions: list[Suppression]
    profile: Profile
    new_entries: list[Entry] = field(default_factory=list)
    new_suppressions: list[Suppression] = field(default_factory=list)
    new_profile: bool = False

    def block(self, status: Status) -> str | None:
        """Why a claim of this status must not touch the reader, or None."""
        if self.subscriber and self.subscriber.erased:
            return "erased on request; an import never brings a reader back."
        for suppression in self.suppressions:
            if status in _TURNS_ON or suppression.reason is Suppressed.ERASURE:
                return f"suppressed: {suppression}; an import never turns a reader back on."
        entry = deciding(self.history)
        if status in _TURNS_ON and entry and entry.event is Event.WITHDRAWN:
            return f"unsubscribed on {entry.occurred_at:%Y-%m-%d}; an import never turns a reader back on."
        return None

    def add(self, entries: Iterable[Entry], suppression: Suppression | None, told: Profile) -> bool:
        """Take over what is new. Gives whether anything was."""
        entries = list(entries)
        self.history += entries
        self.new_entries += entries
        fresh = suppression is not None and suppression.reason not in {known.reason for known in self.suppressions}
        if suppression and fresh:
            self.suppressions.append(suppression)
            self.new_suppressions.append(suppression)
        merged = Profile(told.first_name or self.profile.first_name, told.lang or self.profile.lang)
        renamed = merged != self.profile
        self.profile, self.new_profile = merged, self.new_profile or renamed
        return bool(entries) or fresh or renamed


@dataclass(frozen=True)
class Intake:
    """Takes claims in for one newsletter; everything it records carries this actor and batch."""

    newsletter: str
    settings: NewsletterSettings
    actor: str
    now: datetime
    batch_id: int | None = None

    def take(self, connection: Connection, claims: Sequence[Claim]) -> list[Outcome]:
        """Weigh the claims in order and write what they change. A few thousand at a time."""
        readers = self._known(connection, {claim.address_hash for claim in claims})
        outcomes = [self._weigh(readers[claim.address_hash], claim) for claim in claims]
        addresses = {claim.address_hash: claim.address for claim in reversed(claims)}
        touched = {o.claim.address_hash for o in outcomes if o.effect in (Effect.NEW, Effect.CHANGED)}
        self._write(connection, {h: readers[h] for h in addresses if h in touched}, addresses)
        return outcomes

    def _known(self, connection: Connection, hashes: set[str]) -> dict[str, _Reader]:
        people = ledger.find_subscribers(connection, hashes)
        ids = [person.id for person in people.values()]
        listed = ledger.listed(connection, self.newsletter, ids)
        histories = ledger.histories(connection, self.newsletter, ids)
        suppressed = suppressions_of(connection, hashes, self.newsletter)
        readers = {}
        for address_hash in hashes:
            person = people.get(address_hash)
            readers[address_hash] = _Reader(
                person,
                listed=person is not None and person.id in listed,
                history=histories.get(person.id, []) if person else [],
                suppressions=suppressed.get(address_hash, []),
                profile=person.profile if person else NOTHING_TOLD,
            )
        return readers

    def _weigh(self, reader: _Reader, claim: Claim) -> Outcome:
        obstacle = reader.block(claim.status)
        if obstacle:
            return Outcome(claim, Effect.BLOCKED, obstacle)
        suppressed = _SUPPRESSES.get(claim.status)
        suppression = Suppression(suppressed, EVERYWHERE, claim.source, self.now) if suppressed else None
        changed = reader.add(self._entries(reader, claim), suppression, claim.profile)
        if not reader.listed:
            reader.listed = True
            return Outcome(claim, Effect.NEW)
        return Outcome(claim, Effect.CHANGED if changed else Effect.UNCHANGED)

    def _entries(self, reader: _Reader, claim: Claim) -> list[Entry]:
        """The entries a claim that is not blocked adds to the reader's history."""
        imported = Entry(
            Event.IMPORTED,
            claim.occurred_at,
            source=claim.source,
            actor=self.actor,
            jurisdiction=self.settings.jurisdiction,
            basis=claim.basis,
            expires_at=claim.expires_at,
            batch_id=self.batch_id,
        )
        current = deciding(reader.history)
        if claim.status is Status.SUBSCRIBED:
            return [imported] if self._improves(imported, current) else []
        if claim.status is Status.PENDING:
            return [replace(imported, event=Event.REQUESTED)] if current is None else []
        origin = [] if reader.history else [imported]
        if claim.status is Status.UNSUBSCRIBED and (current is None or current.event is not Event.WITHDRAWN):
            return [*origin, replace(imported, event=Event.WITHDRAWN, basis=None, expires_at=None)]
        return origin

    def _improves(self, new: Entry, current: Entry | None) -> bool:
        """Whether an import says more than the ledger knows: saying it again must change nothing."""
        if current is None or current.event is Event.REQUESTED:
            return True
        if current.event in OWN_YES:
            return False
        if current.event is Event.EXPIRED:
            return new.occurred_at > current.occurred_at
        stands, stood = (objection_to(entry, self.settings, self.now) is None for entry in (new, current))
        if stands != stood:
            return stands
        if new.basis is not current.basis:
            return _STRENGTH[new.basis] > _STRENGTH[current.basis]
        if new.basis is Basis.IMPLIED:
            return new.occurred_at > current.occurred_at  # each new dealing starts the term again
        return (new.expires_at or _FOR_EVER) > (current.expires_at or _FOR_EVER)

    def _write(self, connection: Connection, readers: dict[str, _Reader], addresses: dict[str, str]) -> None:
        strangers = [(h, addresses[h], reader.profile) for h, reader in readers.items() if reader.subscriber is None]
        ids = ledger.add_subscribers(connection, strangers, now=self.now)
        ids.update({h: reader.subscriber.id for h, reader in readers.items() if reader.subscriber})
        ledger.list_for(connection, self.newsletter, [ids[h] for h in readers], now=self.now)
        entries = [(ids[h], entry) for h, reader in readers.items() for entry in reader.new_entries]
        ledger.record(connection, self.newsletter, entries, now=self.now)
        suppress_many(connection, [(h, found) for h, reader in readers.items() for found in reader.new_suppressions])
        renamed = {ids[h]: r.profile for h, r in readers.items() if r.new_profile and r.subscriber}
        ledger.update_profiles(connection, renamed)


def count_effects(outcomes: Iterable[Outcome]) -> Counter[str]:
    """How many claims had each effect."""
    return Counter(outcome.effect.value for outcome in outcomes)
