"""An SMTP relay as a way out: any that speaks RFC 5321, over connections that are kept.

A call's mails go one after another over one connection. A connection the relay has dropped is opened anew as long as
the mail's data has not begun; nothing else is tried twice, since retries belong to the ledger.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from newsletter.errors import Refused
from newsletter.settings import SmtpSettings
from newsletter.transports.mail import Answer, Mail, Quota, Recipient, Verdict
from newsletter.transports.mime import compiled_mail
from newsletter.transports.smtp_connections import Connections
from newsletter.transports.smtp_replies import Reply, Step, ends_the_batch, judged_together, of_reply
from newsletter.transports.smtp_wire import Broken, Letter, Session, Timeouts

_TAG = re.compile(r"[A-Za-z0-9_-]{1,200}")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def _system_clock() -> datetime:
    return datetime.now(UTC)


class SmtpTransport:
    """Hands mail to one relay. Thread-safe: a call has a connection to itself."""

    name = "smtp"
    batch_size = 10
    idempotent = False

    def __init__(
        self, settings: SmtpSettings, *, timeouts: Timeouts | None = None, now: Callable[[], datetime] = _system_clock
    ) -> None:
        self._in_the_open = settings.security == "none" and settings.host not in _LOOPBACK
        if settings.username and self._in_the_open:
            raise Refused(
                "The password of [smtp] would go over the network for everybody to read: set security to starttls or "
                "tls, or leave username empty."
            )
        self.scope = f"smtp:{settings.host}:{settings.port}"
        self.connections = settings.connections
        self._rate = settings.rate
        self._now = now
        self._kept = Connections(settings, timeouts or Timeouts())
        self._usable = False  # it was, once

    def quota(self) -> Quota:
        """The rate that is set, once the relay has let us in. Raises Refused."""
        try:
            with self._kept.place():
                self._kept.give_back(self._kept.take())
            self._usable = True
        except Broken as error:
            stop = error.answer.verdict is Verdict.STOP
            if stop or not self._usable:  # later on a pause of the relay's is for the ledger to wait out
                remedy = "" if stop else " Check [smtp] host and port, then try again."
                raise Refused(f"{error.answer.reason.rstrip('.')}.{remedy}") from None
        open_words = ("Mail goes to the SMTP relay without encryption: see [smtp] security.",)
        return Quota(rate=self._rate, left_today=None, warnings=open_words if self._in_the_open else ())

    def prepare(self, mail: Mail) -> None:
        """Compose once. Raises Refused."""
        compiled_mail(mail, dotted=True)

    def hand_over(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Answer]:
        """One answer for each recipient, in order. The data of each mail is on the wire at most once."""
        try:
            compiled_mail(mail, dotted=True)
        except Refused as error:  # nothing has left: the mail itself cannot be composed
            return [Answer(Verdict.STOP, reason=str(error))] * len(recipients)
        with self._kept.place():
            return _Call(self._kept, mail, recipients, self._now).run()

    def close(self) -> None:
        """Take leave of the relay. A later call opens connections anew."""
        self._kept.close()


class _Call:
    """The mails of one call, over a connection that is replaced when it ends."""

    def __init__(
        self, kept: Connections, mail: Mail, recipients: Sequence[Recipient], now: Callable[[], datetime]
    ) -> None:
        self._kept = kept
        self._mail = mail
        self._recipients = recipients
        self._now = now
        self._answers: list[Answer | None] = [None] * len(recipients)
        self._about_mail = [False] * len(recipients)
        self._session: Session | None = None

    def run(self) -> list[Answer]:
        """Hand them over until an answer says that the next would get it too; those behind were surely not tried."""
        last = Answer(Verdict.RETRY)
        letters = self._letters()
        letter = next(letters, None)
        while letter is not None:
            try:
                reply, following = self._hand(letter, letters)
            except Broken as error:
                last = self._answers[letter.index] = error.answer
                break
            last = self._answers[letter.index] = self._judged(reply, letter)
            if ends_the_batch(reply, last):
                break
            letter = following
        if self._session is not None:
            self._kept.give_back(self._session)
        untried = Answer(Verdict.RETRY, reason=f"Not tried, because of the one before: {last.reason}")
        return judged_together([answer or untried for answer in self._answers], self._about_mail)

    def _hand(self, letter: Letter, letters: Iterator[Letter]) -> tuple[Reply, Letter | None]:
        """What the relay says to a mail, and the mail after it. Raises Broken."""
        no, session = self._ask(letter)
        if no is not None:
            return no, next(letters, None)
        session.write(letter)
        following = next(letters, None)  # composed while the relay reads
        return session.end(following), following

    def _ask(self, letter: Letter) -> tuple[Reply | None, Session]:
        """The relay's no to the envelope, if any. A connection of some age may have ended: then over a new one."""
        session = self._session
        if session is None or session.dead:
            session = self._session = self._kept.take()
        try:
            no = session.ask(letter)
            if no is None or no.code != 421 or not session.used:
                return no, session
        except Broken:
            if not session.used:
                raise
        session = self._session = self._kept.open()
        return session.ask(letter), session

    def _judged(self, reply: Reply, letter: Letter) -> Answer:
        answer = of_reply(reply)
        self._about_mail[letter.index] = answer.verdict is Verdict.REFUSED and reply.step is not Step.READER
        return Answer(Verdict.ACCEPTED, letter.message_id) if answer.verdict is Verdict.ACCEPTED else answer

    def _letters(self) -> Iterator[Letter]:
        for index, recipient in enumerate(self._recipients):
            try:
                yield _letter(self._mail, recipient, index=index, date=self._now())
            except Refused as error:
                self._answers[index] = Answer(Verdict.REFUSED, reason=str(error))


def _letter(mail: Mail, recipient: Recipient, *, index: int, date: datetime) -> Letter:
    """One reader's mail as it goes over the wire. Raises Refused, for this reader alone."""
    if not _TAG.fullmatch(recipient.tag):
        raise Refused(f"{recipient.tag[:80]!r} cannot be a tag: use letters, digits, - and _.")
    message_id = f"<{recipient.tag}@{mail.from_address.rpartition('@')[2]}>"
    data = compiled_mail(mail, dotted=True).message(recipient, message_id=message_id, date=date)
    return Letter(index, message_id, mail.from_address, recipient.address, data)
