"""One reader at a time: add her by hand with a source and a basis, or show what is on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date as Date
from datetime import datetime

from sqlalchemy import select

from newsletter.audience import ledger
from newsletter.audience.addresses import address_hash, normalise, printable
from newsletter.audience.claims import Effect, Intake
from newsletter.audience.consent import Basis
from newsletter.audience.explain import Explanation, explain
from newsletter.audience.ledger import Subscriber
from newsletter.audience.row import Defaults, Wrong, read_claim
from newsletter.errors import InputError, NotFound, Place, Problem, Refused
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import subscriptions


@dataclass(frozen=True)
class Shown:
    """A reader as on record, with the verdict of each newsletter she is listed for."""

    subscriber: Subscriber
    newsletters: tuple[Explanation, ...]


def add_subscriber(
    store: Store,
    keys: KeyRing,
    address: str,
    *,
    newsletter: str,
    settings: NewsletterSettings,
    source: str,
    basis: Basis,
    actor: str,
    now: datetime,
    date: Date | None = None,
    first_name: str = "",
    lang: str = "",
) -> Effect:
    """Add a reader by hand, under the rules of an import. Raises InputError for a bad field, Refused when blocked."""
    cells = {"email": address, "first_name": first_name, "lang": lang, "source": source}
    claim = read_claim(cells, Defaults(keys.hash, settings.zone, now, basis=basis, date=date))
    if isinstance(claim, Wrong):
        raise InputError([Problem(Place(f'subscriber "{printable(address)}"'), claim.text)])
    with store.write() as connection:
        [outcome] = Intake(newsletter, settings, actor, now).take(connection, [claim])
    if outcome.effect is Effect.BLOCKED:
        raise Refused(f"{claim.address} was not added to {newsletter}: {outcome.reason}")
    return outcome.effect


def show_subscriber(
    store: Store, keys: KeyRing, address: str, *, newsletters: Mapping[str, NewsletterSettings], at: datetime
) -> Shown:
    """What is on record for an address. Raises InputError when it is no address, NotFound when nobody has it."""
    hashed = address_hash(normalise(address).normal, keys.hash)
    with store.read() as connection:
        found = ledger.find_subscribers(connection, [hashed]).get(hashed)
        if found is None or (found.gone and not found.erased):
            raise NotFound(f"Nobody with the address {printable(address)} is on record.")
        query = select(subscriptions.c.newsletter).where(subscriptions.c.subscriber_id == found.id)
        names = sorted(name for name in connection.scalars(query) if name in newsletters)
    explained = (explain(store, keys, address, newsletter=n, settings=newsletters[n], at=at) for n in names)
    return Shown(found, tuple(explained))
