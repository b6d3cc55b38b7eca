"""What an import, or a person at the keyboard, claims of a reader, and what the ledger makes of it.

A claim can add a reader, strengthen or renew a consent, end one, or suppress an address. It never turns a reader back
on who unsubscribed, is suppressed or was erased: that is `blocked`, with the reason. Making the same claim again
changes nothing. Claims are weighed in memory, thousands at a time, and written set by set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection

from newsletter.audience import ledger
from newsletter.audience.consent import (
    EVERYWHERE,
    OWN_YES,
    Basis,
    Entry,
    Event,
    Ground,
    Suppressed,
    Suppression,
    deciding,
    objection_to,
)
from newsletter.audience.ledger import Profile, Subscriber
from newsletter.audience.policies import policy_in_force
from newsletter.audience.proofs import BEFORE_IMPORT, VISIT, Proof, keep_many
from newsletter.audience.suppression import suppress_many, suppressions_of
from newsletter.settings import NewsletterSettings


class Status(StrEnum):
    """What a claim says the reader is."""

    SUBSCRIBED = "subscribed"
    PENDING = "pending"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    SUPPRESSED = "suppressed"  # must not be mailed, for a reason of the newsroom's own


class Effect(StrEnum):
    """What became of a claim."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    BLOCKED = "blocked"


_TURNS_ON = (Status.SUBSCRIBED, Status.PENDING)
_SUPPRESSES = {
    Status.BOUNCED: Suppressed.HARD_BOUNCE,
    Status.COMPLAINED: Suppressed.COMPLAINT,
    Status.SUPPRESSED: Suppressed.MANUAL,
}
_STRENGTH = {None: 0, Basis.IMPLIED: 1, Basis.SOFT_OPT_IN: 2, Basis.EXPRESS: 3}
_FOR_EVER = datetime.max.replace(tzinfo=UTC)
NOTHING_TOLD = Profile()


@dataclass(slots=True)
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
    ground: Ground | None = None
    jurisdiction: str | None = None
    left_at: datetime | None = None  # when she unsubscribed, if that is known
    network_address: str | None = None  # where she agreed from: a proof, never part of the ledger
    paused_until: datetime | None = None  # her wish, which comes with her


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one claim; `kind` is what such outcomes are counted by, `reason` says it of this one."""

    claim: Claim
    effect: Effect
    kind: str
    reason: str = ""


@dataclass(slots=True)
class Reader:
    """What is known of one address, and what the claims of this round add to it."""

    subscriber: Subscriber | None
    listed: bool
    history: list[Entry]
    suppressions: list[Suppression]
    profile: Profile
    new_entries: list[Entry] = field(default_factory=list)
    new_suppressions: list[Suppression] = field(default_factory=list)
    network_address: str | None = None
    paused_until: datetime | None = None
    told: Profile = NOTHING_TOLD  # by the first row of this round that told anything: the next one changes nothing

    @property
    def blank(self) -> bool:
        """Undoing an import blanked the row; unlike an erased reader she may come again."""
        return self.subscriber is not None and self.subscriber.address is None

    @property
    def former_profile(self) -> Profile | None:
        """What she was called before this round, if that changed."""
        before = self.subscriber.profile if self.subscriber and not self.blank else self.profile
        return before if before != self.profile else None

    def block(self, status: Status) -> tuple[str, str] | None:
        """Why a claim of this status must not touch the reader, as kind and sentence, or None."""
        if self.subscriber and self.subscriber.erased_at:
            return "erased", "erased on request; an import never brings a reader back."
        for suppression in self.suppressions:
            if status in _TURNS_ON or suppression.reason is Suppressed.ERASURE:
                sentence = f"suppressed: {suppression}; an import never turns a reader back on."
                return f"suppressed: {suppression.reason}", sentence
        entry = deciding(self.history) if self.history and status in _TURNS_ON else None
        if entry and entry.event is Event.WITHDRAWN:
            sentence = f"unsubscribed on {entry.occurred_at:%Y-%m-%d}; an import never turns a reader back on."
            return "unsubscribed", sentence
        return None

    def as_written(self, claim: Claim, now: datetime) -> Reader:
        """The reader as she would be found after what was weighed had been written."""
        there = self.subscriber or Subscriber(0, claim.address_hash, claim.address, self.profile, now, None)
        kept = replace(there, address=there.address or claim.address, profile=self.profile)
        return Reader(kept, True, self.history, self.suppressions, self.profile)

    def hear(self, told: Profile) -> None:
        """Remember what a row tells of her, whether or not it may be taken over."""
        if told != self.told:
            self.told = Profile(self.told.first_name or told.first_name, self.told.lang or told.lang)

    def add(self, entries: list[Entry], suppression: Suppression | None) -> list[tuple[str, str]]:
        """Take over what is new. Gives what changed, as kinds and details."""
        changes = []
        told = self.told
        if entries:
            before = deciding(self.history) if self.history else None
            self.history += entries
            self.new_entries += entries
            if self.listed:
                changes.append((entries[-1].event.value, f"{before or 'nothing on record'} → {entries[-1]}"))
        if suppression and suppression.reason not in {known.reason for known in self.suppressions}:
            self.suppressions.append(suppression)
            self.new_suppressions.append(suppression)
            changes.append((f"suppressed: {suppression.reason}", f"suppressed: {suppression.reason}"))
        for name, now, new in (
            ("first name", self.profile.first_name, told.first_name),
            ("language", self.profile.lang, told.lang),
        ):
            if new and new != now:
                changes.append((name, f"{name}: {now or '(none)'} → {new}"))
        if told != self.profile:
            self.profile = Profile(told.first_name or self.profile.first_name, told.lang or self.profile.lang)
        return changes


@dataclass(frozen=True)
class Intake:
    """Takes claims in for one newsletter; everything it records carries this actor and batch."""

    newsletter: str
    settings: NewsletterSettings
    actor: str
    now: datetime
    batch_id: int | None = None
    proof_days: int = 1095

    def take(self, connection: Connection, claims: Sequence[Claim]) -> list[Outcome]:
        """Weigh the claims in order and write what they change. A few thousand at a time."""
        readers = self.known(connection, {claim.address_hash for claim in claims})
        outcomes = [self.weigh(readers[claim.address_hash], claim) for claim in claims]
        addresses: dict[str, str] = {}
        for claim in claims:
            addresses.setdefault(claim.address_hash, claim.address)
        touched = {o.claim.address_hash for o in outcomes if o.effect in (Effect.NEW, Effect.CHANGED)}
        self._write(connection, {h: readers[h] for h in addresses if h in touched}, addresses)
        return outcomes

    def known(self, connection: Connection, hashes: set[str]) -> dict[str, Reader]:
        """What is on record of these addresses, by hash."""
        people = ledger.find_subscribers(connection, hashes)
        ids = [person.id for person in people.values()]
        listed = ledger.listed(connection, self.newsletter, ids) if ids else set()
        # Its own batch, which counts for nobody else yet: an address may stand in a file twice.
        histories = ledger.histories(connection, self.newsletter, ids, seen_by=self.batch_id) if ids else {}
        suppressed = suppressions_of(connection, hashes, self.newsletter, seen_by=self.batch_id)
        readers = {}
        for address_hash in hashes:
            person = people.get(address_hash)
            readers[address_hash] = Reader(
                person,
                listed=person is not None and person.id in listed,
                history=histories.get(person.id, []) if person else [],
                suppressions=suppressed.get(address_hash, []),
                profile=person.profile if person else NOTHING_TOLD,
            )
        return readers

    def weigh(self, reader: Reader, claim: Claim) -> Outcome:
        """What a claim adds to what is known of the reader. Nothing is written."""
        reader.hear(claim.profile)
        obstacle = reader.block(claim.status)
        if obstacle:
            return Outcome(claim, Effect.BLOCKED, *obstacle)
        suppressed = _SUPPRESSES.get(claim.status)
        suppression = Suppression(suppressed, EVERYWHERE, claim.source, self.now) if suppressed else None
        entries = self._entries(reader, claim)
        if entries and claim.network_address:
            reader.network_address = claim.network_address
        changes = reader.add(entries, suppression)
        if not reader.listed:
            reader.listed, reader.paused_until = True, claim.paused_until
            return Outcome(claim, Effect.NEW, claim.status.value)
        if not changes:
            return Outcome(claim, Effect.UNCHANGED, claim.status.value)
        kinds, details = zip(*changes, strict=True)
        return Outcome(claim, Effect.CHANGED, ", ".join(kinds), "; ".join(details))

    def _entries(self, reader: Reader, claim: Claim) -> list[Entry]:
        """The entries a claim that is not blocked adds to the reader's history."""
        current = deciding(reader.history) if reader.history else None
        if claim.status is Status.SUBSCRIBED:
            imported = self._imported(claim)
            return [imported] if self._improves(imported, current) else []
        if claim.status is Status.PENDING:
            return [replace(self._imported(claim), event=Event.REQUESTED)] if current is None else []
        origin = [] if reader.history else [self._imported(claim)]
        if current and current.event in OWN_YES and current.occurred_at > self.now:
            return []  # she agreed herself while the import was under way: what the file says is older
        if claim.status is Status.UNSUBSCRIBED and (current is None or current.event is not Event.WITHDRAWN):
            left = claim.left_at or self.now  # what is known is that by now she had left
            gone = replace(self._imported(claim), event=Event.WITHDRAWN, occurred_at=left, basis=None)
            return [*origin, replace(gone, expires_at=None, ground=None)]
        return origin

    def _imported(self, claim: Claim) -> Entry:
        return Entry(
            Event.IMPORTED,
            claim.occurred_at,
            source=claim.source,
            actor=self.actor,
            jurisdiction=claim.jurisdiction or self.settings.jurisdiction,
            basis=claim.basis,
            expires_at=claim.expires_at,
            batch_id=self.batch_id,
            ground=claim.ground,
            policy_version=policy_in_force(self.settings, claim.occurred_at) if self.settings.policies else None,
        )

    def _improves(self, new: Entry, current: Entry | None) -> bool:
        """Whether an import says more than the ledger knows: saying it again must change nothing."""
        if current is None or current.event is Event.REQUESTED:
            return True
        if current.event in OWN_YES:
            return False
        if current.event is Event.EXPIRED:
            return objection_to(new, self.settings, self.now) is None
        stands, stood = (objection_to(entry, self.settings, self.now) is None for entry in (new, current))
        if stands != stood:
            return stands
        if new.basis is not current.basis:
            return _STRENGTH[new.basis] > _STRENGTH[current.basis]
        return _end(new) > _end(current)  # each new dealing starts the term again

    def _write(self, connection: Connection, readers: dict[str, Reader], addresses: dict[str, str]) -> None:
        strangers = [(h, addresses[h], reader.profile) for h, reader in readers.items() if reader.subscriber is None]
        ids = ledger.add_subscribers(connection, strangers, now=self.now, batch_id=self.batch_id)
        ids.update({h: reader.subscriber.id for h, reader in readers.items() if reader.subscriber})
        blank = {ids[h]: (addresses[h], reader.profile) for h, reader in readers.items() if reader.blank}
        ledger.fill_blank(connection, blank, batch_id=self.batch_id)
        ledger.list_for(connection, self.newsletter, [ids[h] for h in readers], now=self.now, batch_id=self.batch_id)
        pauses = {ids[h]: reader.paused_until for h, reader in readers.items() if reader.paused_until}
        ledger.pause(connection, self.newsletter, pauses)
        entries = [(ids[h], entry) for h, reader in readers.items() for entry in reader.new_entries]
        ledger.record(connection, self.newsletter, entries, now=self.now)
        suppress_many(
            connection,
            [(h, found) for h, reader in readers.items() for found in reader.new_suppressions],
            batch_id=self.batch_id,
        )
        renamed = {ids[h]: r for h, r in readers.items() if r.subscriber and r.former_profile}
        ledger.update_profiles(connection, {found: reader.profile for found, reader in renamed.items()})
        former = [Proof(found, BEFORE_IMPORT, detail=self._rename(reader)) for found, reader in renamed.items()]
        visits = {ids[h]: reader.network_address for h, reader in readers.items() if reader.network_address}
        proofs = [*former, *self._visits(connection, visits)]
        keep_many(connection, proofs, now=self.now, days=self.proof_days)

    def _rename(self, reader: Reader) -> str:
        """What undoing this import must put back, and how to tell that nobody changed it since."""
        before, after = reader.former_profile or NOTHING_TOLD, reader.profile
        names = {"before": [before.first_name, before.lang], "after": [after.first_name, after.lang]}
        return json.dumps({"batch": self.batch_id, **names}, ensure_ascii=False)

    def _visits(self, connection: Connection, visits: dict[int, str]) -> Iterable[Proof]:
        newest = ledger.newest_entries(connection, self.newsletter, visits)
        return (Proof(reader, VISIT, entry, network_address=visits[reader]) for reader, entry in newest.items())


def _end(entry: Entry) -> datetime:
    """Until when a consent lasts, for comparing two of the same basis; the terms are those of the longest rule."""
    if entry.basis is Basis.IMPLIED:
        term = timedelta(days=730 if entry.ground == Ground.PURCHASE else 183)
        return min(entry.expires_at or _FOR_EVER, entry.occurred_at + term)
    return entry.expires_at or _FOR_EVER
