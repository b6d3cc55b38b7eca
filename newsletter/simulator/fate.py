"""What becomes of a message: each recipient's outcome, and which events SES publishes of it, when and in which order.

Most messages have the usual events, which follow from their outcomes. Where a script or a configuration set wants it
otherwise, or something may be measured, the events are planned at acceptance and stand in the record: so they read the
same over restarts. Shares are drawn from the seed and the recipient's address, whatever the order mails came in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from newsletter.simulator.lists import EVERYTHING, Suppressions
from newsletter.simulator.record import DELIVERED, NOT_RENDERED, Accepted, is_mailbox, outcome_of
from newsletter.simulator.script import EventsScript, RecipientsScript
from newsletter.simulator.tracking import Measured

PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
MACHINE = "Mozilla/5.0"
SUPPRESSED = "suppressed"

_KINDS: dict[str, tuple[str, ...]] = {
    DELIVERED: ("Delivery",),
    "bounced": ("Bounce",),
    "soft-bounced": ("Bounce",),
    SUPPRESSED: ("Bounce",),
    "complained": ("Delivery", "Complaint"),
    "auto-replied": ("Delivery", "Bounce"),
    "delayed": ("DeliveryDelay", "Delivery"),
    NOT_RENDERED: ("Rendering Failure",),
}
# How long after acceptance each happens, in milliseconds: the same each time it is read.
_AFTER = {"Send": 0, "DeliveryDelay": 200, "Delivery": 250, "Bounce": 300, "Complaint": 800, "Rendering Failure": 100}
_TYPES = {"Rendering Failure": "RENDERING_FAILURE", "DeliveryDelay": "DELIVERY_DELAY"}
_A_MINUTE = 60_000
_AN_HOUR = 60 * _A_MINUTE


class Happening(NamedTuple):
    """One event of a message."""

    kind: str
    recipient: int = 0
    after: int = 0  # milliseconds after acceptance
    delay: float = 0.0  # seconds it is published later than that
    link: int | None = None  # the clicked one's place in the message's set of links
    by_machine: bool = False


def happenings(message: Accepted) -> list[Happening]:
    """The events of a message, in the order they are published."""
    if message.plan is not None:
        return [Happening(*planned) for planned in message.plan]
    return list(_usual(message.outcomes, failed=message.failure is not None))


def _usual(outcomes: Sequence[str], *, failed: bool) -> Iterator[Happening]:
    if not failed:
        yield Happening("Send")
    for recipient, outcome in enumerate(outcomes):
        for kind in _KINDS[outcome]:
            yield Happening(kind, recipient, _AFTER[kind])


class Fates:
    """Decides over recipients and events by chance, the same way each time."""

    def __init__(
        self,
        suppressed: Suppressions,
        *,
        seed: int = 0,
        recipients: RecipientsScript | None = None,
        events: EventsScript | None = None,
    ) -> None:
        self._suppressed = suppressed
        self.script(seed, recipients or RecipientsScript(), events or EventsScript())

    def script(self, seed: int, recipients: RecipientsScript, events: EventsScript) -> None:
        """From now on chance is drawn like this."""
        self._seed, self._recipients, self._events = seed, recipients, events
        shares = {
            "bounced": recipients.bounces,
            "soft-bounced": recipients.soft_bounces,
            "complained": recipients.complaints,
            "delayed": recipients.delays,
        }
        self._shares = {outcome: share for outcome, share in shares.items() if share}
        self._unsteady = bool(events.duplicated or events.lost or events.late or events.reversed)

    def outcome(self, address: str) -> str:
        """What becomes of mail to this address."""
        if self._suppressed and address in self._suppressed:
            return SUPPRESSED
        if self._shares and not is_mailbox(address):
            for outcome, share in self._shares.items():
                if self._chance(outcome, address) < share:
                    return outcome
        return outcome_of(address)

    def plan(
        self,
        destination: Sequence[str],
        outcomes: Sequence[str],
        *,
        failed: bool,
        measures: Measured,
        links: int,
        published: frozenset[str] | None,
    ) -> list[list[object]] | None:
        """The events of a message where they are not the usual ones."""
        all_published = published is None or published == EVERYTHING
        measured = (measures.opens or measures.clicks) and not failed
        if all_published and not measured and not self._unsteady:
            return None
        found = list(_usual(outcomes, failed=failed))
        if measured:
            found += self._fetched(destination, outcomes, measures, links)
        if published is not None:
            found = [one for one in found if _TYPES.get(one.kind, one.kind.upper()) in published]
        if self._unsteady:
            found = self._unsettled(found, destination)
        return [list(one) for one in found]

    def _fetched(
        self, destination: Sequence[str], outcomes: Sequence[str], measures: Measured, links: int
    ) -> Iterator[Happening]:
        """Opens and clicks: a machine's within a second of the delivery, a person's minutes later."""
        script = self._recipients
        for recipient, address in enumerate(destination):
            if "Delivery" not in _KINDS[outcomes[recipient]]:
                continue
            at = _AFTER["Delivery"]
            if self._chance("scanner", address) < script.scanners:
                if measures.opens:
                    yield Happening("Open", recipient, at + 200, by_machine=True)
                for link in range(links if measures.clicks else 0):
                    yield Happening("Click", recipient, at + 250 + link * 500 // links, link=link, by_machine=True)
            later = at + _A_MINUTE + int(self._chance("when", address) * _AN_HOUR)
            if measures.opens and self._chance("open", address) < script.opens:
                yield Happening("Open", recipient, later)
            if measures.clicks and links and self._chance("click", address) < script.clicks:
                link = int(self._chance("which", address) * links)
                yield Happening("Click", recipient, later + 20_000, link=link)

    def _unsettled(self, found: list[Happening], destination: Sequence[str]) -> list[Happening]:
        """As a publisher without guarantees delivers them."""
        script, whose = self._events, destination[0]
        published = []
        for number, one in enumerate(found):
            this = f"{whose}/{number}"
            if self._chance("lost", this) < script.lost:
                continue
            late = self._chance("late", this) < script.late
            published.append(one._replace(delay=script.late_seconds) if late else one)
            if self._chance("twice", this) < script.duplicated:
                published.append(published[-1])
        if self._chance("reversed", whose) < script.reversed:
            published.reverse()
        return published

    def _chance(self, what: str, whom: str) -> float:
        """A number from 0 to 1 that is always the same for this question."""
        asked = f"{self._seed}|{what}|{whom.lower()}".encode()
        return int.from_bytes(hashlib.blake2b(asked, digest_size=6).digest()) / 2**48
