"""What a reader may decide for herself, as it stands, and the verbs that change it.

Whoever holds the link of a mail's footer may be a stranger the mail was forwarded to. So nothing here changes or tells
an address: that needs the private link (`private_link`, `address_change`, `my_data`), and the address is shown masked.
What gives a consent in her name (`turn` on, `agree_anew`, `measure`) is for who came by the private link; others may
`ask_for_mail`, which her mailbox has to confirm.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date as Date
from datetime import datetime

from sqlalchemy import Connection, select

from newsletter.audience import ledger, pausing, tracking
from newsletter.audience.addresses import invisible_character, unfit_name
from newsletter.audience.consent import Event, Purpose, Reason, Suppressed
from newsletter.audience.ledger import Profile, Subscriber
from newsletter.audience.notices import STILL_SUBSCRIBED
from newsletter.audience.opt_in import opt_in
from newsletter.audience.proofs import Visit, keep_own_name
from newsletter.audience.row import LONGEST_NAME
from newsletter.audience.select import verdicts
from newsletter.audience.signup import Requested, request
from newsletter.audience.suppression import suppressions_of
from newsletter.audience.unsubscribe import Source, from_send, withdraw
from newsletter.audience.wordings import wording_of
from newsletter.config import Workspace
from newsletter.errors import InputError, Place, Problem
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import subscribers

SOURCE: Source = "preferences page"
Newsletters = Mapping[str, NewsletterSettings]
# What her own yes does not lift, and a person of the newsroom must.
_BARS = {
    Suppressed.COMPLAINT: Reason.SUPPRESSED_COMPLAINT,
    Suppressed.HARD_BOUNCE: Reason.SUPPRESSED_HARD_BOUNCE,
    Suppressed.MANUAL: Reason.SUPPRESSED_MANUAL,
}


@dataclass(frozen=True)
class Standing:
    """How a reader stands with one newsletter."""

    newsletter: str
    settings: NewsletterSettings
    listed: bool
    reason: str | None  # why she is not mailed now; None when she is, or was never listed
    paused_until: datetime | None
    bar: Reason | None  # what keeps her from turning it on herself
    measured: Mapping[Purpose, bool]

    @property
    def on(self) -> bool:
        """Subscribed, though a pause or a policy to agree to may keep mail back."""
        return self.listed and self.reason in (None, *STILL_SUBSCRIBED)

    @property
    def paused(self) -> bool:
        return self.reason == Reason.PAUSED

    @property
    def owes_agreement(self) -> bool:
        return self.reason == Reason.RECONSENT_OWED

    @property
    def text_id(self) -> str:
        return text_id(self.settings)


def text_id(settings: NewsletterSettings) -> str:
    """Names the consent text beside the box: an answer to another one is no answer to this."""
    return wording_of(settings).hash[:16]


@dataclass(frozen=True)
class Preferences:
    """A reader, and how she stands with every newsletter there is."""

    reader: Subscriber
    standings: tuple[Standing, ...]

    def of(self, newsletter: str) -> Standing | None:
        return next((each for each in self.standings if each.newsletter == newsletter), None)


def read_preferences(
    connection: Connection, subscriber_id: int, newsletters: Newsletters, at: datetime
) -> Preferences | None:
    """As they stand now; None for a reader of whom nothing is kept."""
    reader = reader_of(connection, subscriber_id)
    if reader is None or reader.gone:
        return None
    return Preferences(reader, tuple(standing_of(connection, reader, n, s, at) for n, s in newsletters.items()))


def reader_of(connection: Connection, subscriber_id: int) -> Subscriber | None:
    """The reader with this id."""
    found = connection.scalar(select(subscribers.c.address_hash).where(subscribers.c.id == subscriber_id))
    return ledger.find_subscribers(connection, [found]).get(found) if found else None


def standing_of(
    connection: Connection, reader: Subscriber, newsletter: str, settings: NewsletterSettings, at: datetime
) -> Standing:
    """How a reader stands with one newsletter."""
    row = connection.execute(verdicts(newsletter, settings, at, subscriber_ids=[reader.id])).one_or_none()
    found = suppressions_of(connection, [reader.address_hash], newsletter).get(reader.address_hash, [])
    reasons = {suppression.reason for suppression in found}
    return Standing(
        newsletter,
        settings,
        listed=row is not None,
        reason=row.reason if row is not None else None,
        paused_until=ledger.paused_until(connection, newsletter, [reader.id]).get(reader.id),
        bar=next((reason for suppressed, reason in _BARS.items() if suppressed in reasons), None),
        measured=tracking.allowed(connection, reader.id, newsletter, settings),
    )


@dataclass(frozen=True)
class Person:
    """Who acts on her preferences, where from, and when."""

    subscriber_id: int
    visit: Visit
    now: datetime


def turn(store: Store, workspace: Workspace, person: Person, wanted: Mapping[str, bool], *, send: str = "") -> None:
    """Turn newsletters on, which is the reader's express consent to the words beside the box, or off.

    `send` is the one whose mail held the link she came by.
    """
    said = from_send(SOURCE, send)
    known = workspace.settings.newsletters
    with store.write() as connection:
        found = read_preferences(connection, person.subscriber_id, known, person.now)
        for standing in found.standings if found else ():
            name = standing.newsletter
            if wanted.get(name, standing.on) == standing.on:
                continue
            if standing.on:
                withdraw(connection, person.subscriber_id, name, source=said, now=person.now, actor="reader")
            elif standing.bar is None:
                _say_yes(connection, workspace, person, standing, Event.CONFIRMED)


def ask_for_mail(
    store: Store, workspace: Workspace, keys: KeyRing, person: Person, names: Collection[str]
) -> Requested | None:
    """Ask her mailbox to confirm that she wants newsletters she does not get. None: there is none of them to ask for.

    For who has not shown that the mailbox is hers: nothing is on before the button in the mail was pressed.
    """
    with store.read() as connection:
        found = read_preferences(connection, person.subscriber_id, workspace.settings.newsletters, person.now)
    standings = found.standings if found else ()
    off = [each for each in standings if each.newsletter in names and not each.on and each.bar is None]
    if found is None or found.reader.address is None or not off:
        return None
    return request(
        store,
        workspace,
        keys,
        address=found.reader.address,
        newsletters={each.newsletter: each.settings.consent_version for each in off},
        lang=None,
        source=SOURCE,
        visit=person.visit,
        now=person.now,
    )


def agree_anew(store: Store, workspace: Workspace, person: Person, newsletter: str) -> bool:
    """The yes that a reader owes to a changed policy; False when she owes none."""
    with store.write() as connection:
        found = read_preferences(connection, person.subscriber_id, workspace.settings.newsletters, person.now)
        standing = found.of(newsletter) if found else None
        if standing is None or not standing.owes_agreement:
            return False
        _say_yes(connection, workspace, person, standing, Event.REAFFIRMED)
        return True


def _say_yes(connection: Connection, workspace: Workspace, person: Person, standing: Standing, event: Event) -> None:
    opt_in(
        connection,
        person.subscriber_id,
        standing.newsletter,
        standing.settings,
        event=event,
        source=SOURCE,
        visit=person.visit,
        now=person.now,
        days=workspace.settings.retention.proof_days,
    )


def take_pause(store: Store, workspace: Workspace, person: Person, newsletter: str, *, until: Date) -> bool:
    """Pause a newsletter until that day; False when it is none the reader gets."""
    with store.write() as connection:
        found = read_preferences(connection, person.subscriber_id, workspace.settings.newsletters, person.now)
        standing = found.of(newsletter) if found else None
        if standing is None or not standing.on:
            return False
        zone, now = standing.settings.zone, person.now
        return pausing.pause(connection, person.subscriber_id, newsletter, until=until, zone=zone, now=now) is not None


def end_pause(store: Store, workspace: Workspace, person: Person, newsletter: str) -> bool:
    """Get it again from the next issue on; False when it is none the reader gets."""
    with store.write() as connection:
        found = read_preferences(connection, person.subscriber_id, workspace.settings.newsletters, person.now)
        standing = found.of(newsletter) if found else None
        return standing is not None and standing.on and pausing.resume(connection, person.subscriber_id, newsletter)


def measure(
    store: Store, workspace: Workspace, person: Person, newsletter: str, wanted: Mapping[Purpose, bool]
) -> None:
    """Allow or forbid being measured. A reader can allow it only for what she gets, and forbid it always."""
    with store.write() as connection:
        found = read_preferences(connection, person.subscriber_id, workspace.settings.newsletters, person.now)
        standing = found.of(newsletter) if found else None
        if standing is None:
            return
        tracking.choose(
            connection,
            person.subscriber_id,
            newsletter,
            standing.settings,
            wanted={purpose: yes for purpose, yes in wanted.items() if standing.on or not yes},
            source=SOURCE,
            visit=person.visit,
            now=person.now,
            days=workspace.settings.retention.proof_days,
        )


def languages(newsletters: Newsletters, present: str | None = None) -> list[str]:
    """What a reader may choose from: the newsletters' languages, and the one on record."""
    return sorted({settings.lang for settings in newsletters.values()} | ({present} if present else set()))


def set_profile(
    store: Store,
    workspace: Workspace,
    person: Person,
    *,
    first_name: str | None = None,
    lang: str | None = None,
) -> None:
    """What to call her, and her language: "" takes it away, None leaves it. InputError for what cannot be kept."""
    name = first_name.strip() if first_name is not None else None
    if problem := _wrong_with(name or ""):
        raise _unusable("first_name", problem)
    with store.write() as connection:
        reader = reader_of(connection, person.subscriber_id)
        if reader is None or reader.gone:
            return
        present = reader.profile
        if lang and lang not in languages(workspace.settings.newsletters, present.lang):
            raise _unusable("lang", "That language is not one of those to choose from.")
        new = Profile(
            present.first_name if name is None else name or None, present.lang if lang is None else lang or None
        )
        if new != present:
            ledger.update_profiles(connection, {reader.id: new})
            keep_own_name(connection, reader.id, now=person.now, days=workspace.settings.retention.proof_days)


def _wrong_with(name: str) -> str | None:
    if problem := unfit_name(name):
        return problem
    if hidden := invisible_character(name):
        return f"The name holds an invisible character ({hidden})."
    if len(name) > LONGEST_NAME:
        return f"The name is {len(name)} characters long; at most {LONGEST_NAME} are kept."
    return None


def masked(address: str) -> str:
    """An address that its owner knows again and a stranger does not learn: `m…@e….org`.

    Of what is shorter than three letters the first would tell too much.
    """
    local, _, domain = address.rpartition("@")
    host, _, ending = domain.rpartition(".")
    return f"{_first_of(local)}…@{_first_of(host.partition('.')[0])}….{ending}"


def _first_of(word: str) -> str:
    return word[:1] if len(word) >= 3 else ""


def _unusable(where: str, problem: str) -> InputError:
    return InputError([Problem(Place(where), problem)])
