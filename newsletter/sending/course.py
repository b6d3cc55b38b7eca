"""What dispatching a send takes and stays the same all through it: mails, whose consent decides, what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from newsletter.config import Workspace
from newsletter.rendering.build import Build
from newsletter.sending.answers import Patience
from newsletter.sending.dispatch import Job, dispatch
from newsletter.sending.interrupts import Stop
from newsletter.sending.ledger import Scope
from newsletter.sending.messages import Fields, mails_of, public_url_of
from newsletter.sending.slices import Slice
from newsletter.sending.trial import mail_seeds
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.transports.fields import used_in
from newsletter.transports.mail import Mail, Quota, Transport


@dataclass(frozen=True)
class Course:
    """A build on its way out."""

    workspace: Workspace
    transport: Transport
    build: Build
    newsletter: str
    settings: NewsletterSettings
    mails: Mapping[str, Mail]
    quota: Quota

    @property
    def batch_size(self) -> int:
        """Readers in one batch: what the transport takes at once, but no more than one second's worth."""
        most, rate = self.transport.batch_size, self.quota.rate
        return most if rate is None else min(most, max(1, int(rate)))


def course_of(workspace: Workspace, transport: Transport, build: Build) -> Course:
    """Ask the transport, and let it get ready. Raises Refused when it cannot send at all."""
    name, settings = workspace.newsletter(build.newsletter)
    mails = mails_of(build, settings)
    quota = transport.quota()
    for mail in mails.values():
        transport.prepare(mail)
    return Course(workspace, transport, build, name, settings, mails, quota)


def follow(
    store: Store,
    ring: KeyRing,
    course: Course,
    send_id: str,
    *,
    now: Callable[[], datetime],
    batches: Slice | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    patience: Patience | None = None,
    stop: Stop | None = None,
) -> tuple[str, ...]:
    """Dispatch the send, or these batches of it, its seeds first; what a person should know. Raises StoreError."""
    seeded = mail_seeds(store, ring, course, send_id, now=now())
    mails, workspace = course.mails, course.workspace
    wanted = used_in(*(part for mail in mails.values() for part in (mail.subject, mail.html, mail.text)))
    url = public_url_of(course.build, workspace.settings.public_url)
    dispatch(
        Job(
            store=store,
            locks=workspace.locks,
            transport=course.transport,
            mails=mails,
            fields=Fields(ring, course.newsletter, send_id, url, wanted=wanted),
            scope=Scope(send_id, course.newsletter, course.settings, batches),
            now=now,
            quota=course.quota,
            progress=progress,
            patience=patience or Patience(),
            stop=stop,
        )
    )
    return seeded
