"""Amazon SES as a way out: one message a call (`raw`), or fifty readers a call from a stored template (`bulk`).

What sends makes exactly one attempt (`ses_wire`): retrying belongs to the ledger. Only questions (GetAccount,
templates) are repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from newsletter.errors import Refused
from newsletter.settings import SesSettings
from newsletter.transports import ses_errors
from newsletter.transports.mail import Answer, Mail, Quota, Recipient, Tracking, Verdict
from newsletter.transports.mime import CompiledMail, compiled_mail
from newsletter.transports.ses_bulk import BulkTemplate, addressed, bulk_template
from newsletter.transports.ses_tracking import fit_to_measure, stated
from newsletter.transports.ses_wire import SesWire

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 30
MAX_MESSAGE = 40_000_000
_BATCH = {"raw": 10, "bulk": 50}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class SesTransport:
    """Hands mail to one SES account in one Region. Thread-safe: one client, one pool of connections."""

    name = "ses"
    idempotent = False

    def __init__(
        self, settings: SesSettings, *, connect_timeout: float = CONNECT_TIMEOUT, read_timeout: float = READ_TIMEOUT
    ) -> None:
        self._settings = settings
        self.batch_size = _BATCH[settings.mode]
        self.connections = settings.connections
        try:
            keys = _keys(settings)
            session = botocore.session.get_session()
            self._asking = self._client(session, keys, timeout=(connect_timeout, read_timeout))
            self._sending = SesWire(
                session,
                self._asking.meta.endpoint_url,
                settings.region,
                credentials=keys,
                connections=settings.connections,
                timeout=(connect_timeout, read_timeout),
            )
        except (BotoCoreError, ValueError) as error:
            raise Refused(
                f"Amazon SES cannot be used as configured: {error} Check [ses] and the AWS settings."
            ) from None
        endpoint = urlsplit(self._asking.meta.endpoint_url)
        usual = f"email.{settings.region}.amazonaws.com"
        self.scope = f"ses:{settings.region}" + ("" if endpoint.netloc == usual else f":{endpoint.netloc}")
        self._last_quota: Quota | None = None
        self._stored: set[str] = set()  # templates SES has, by name
        self._storing = Lock()

    def quota(self) -> Quota:
        """What SES allows this account now. Raises Refused when it may not send, or cannot be asked."""
        try:
            account = self._asking.get_account()
        except (BotoCoreError, ClientError) as error:
            answer = ses_errors.of_exception(error)
            if self._last_quota and answer.verdict is not Verdict.STOP:
                return self._last_quota
            remedy = "Check the network, [ses] region and endpoint_url, and the AWS keys; then try again."
            if answer.reason == ses_errors.NO_CREDENTIALS:
                remedy = ""
            said = f"Amazon SES does not say what it allows: {answer.reason.rstrip('.')}. {remedy}"
            raise Refused(said.rstrip()) from None
        self._last_quota = self._quota_of(account)
        return self._last_quota

    def prepare(self, mail: Mail) -> None:
        """Compose once; in bulk mode store the template. Raises Refused."""
        mail = self._as_measured(mail)
        if self._settings.mode == "raw":
            compiled_mail(mail)
        else:
            self._store(bulk_template(mail))

    def _store(self, template: BulkTemplate) -> None:
        wanted = {"TemplateName": template.name, "TemplateContent": dict(template.content)}
        try:
            try:
                self._asking.create_email_template(**wanted)
            except self._asking.exceptions.AlreadyExistsException:
                # The name holds the content's hash, so it differs only if somebody changed it at SES.
                stored = self._asking.get_email_template(TemplateName=template.name)
                if stored["TemplateContent"] != wanted["TemplateContent"]:
                    self._asking.update_email_template(**wanted)
        except (BotoCoreError, ClientError) as error:
            reason = ses_errors.of_exception(error).reason
            raise Refused(f"Amazon SES does not store the template {template.name}: {reason}") from None
        self._stored.add(template.name)

    def _template(self, mail: Mail) -> BulkTemplate:
        """The mail's template; one whose links are measured is stored when the first reader wants it."""
        template = bulk_template(mail)
        if mail.tracking.clicks and template.name not in self._stored:
            with self._storing:
                if template.name not in self._stored:
                    self._store(template)
        return template

    def _as_measured(self, mail: Mail) -> Mail:
        """What is not heard of is not measured: only a configuration set tells of opens and clicks."""
        if mail.tracking is not Tracking.NONE and not self._settings.configuration_set:
            mail = replace(mail, tracking=Tracking.NONE)
        return fit_to_measure(mail)

    def hand_over(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Answer]:
        """One answer for each recipient, in order. Each recipient is on the wire at most once."""
        try:
            mail = self._as_measured(mail)
            if self._settings.mode == "raw":
                return self._raw(mail, compiled_mail(mail), recipients)
            return self._bulk(mail, recipients)
        except Refused as error:  # nothing has left: the mail itself cannot be composed
            return [Answer(Verdict.STOP, reason=str(error))] * len(recipients)

    def _raw(self, mail: Mail, compiled: CompiledMail, recipients: Sequence[Recipient]) -> list[Answer]:
        """Calls in sequence. What is no matter of one reader alone ends the batch; the others were surely not tried."""
        answers: list[Answer] = []
        for recipient in recipients:
            answer = self._raw_one(mail, compiled, recipient)
            answers.append(answer)
            if answer.verdict not in {Verdict.ACCEPTED, Verdict.REFUSED}:
                untried = Answer(Verdict.RETRY, reason=f"Not tried, because of the one before: {answer.reason}")
                return answers + [untried] * (len(recipients) - len(answers))
        return answers

    def _raw_one(self, mail: Mail, compiled: CompiledMail, recipient: Recipient) -> Answer:
        try:
            address, tag = addressed(recipient)
            message_id = f"<{tag}@{mail.from_address.rpartition('@')[2]}>"
            data = compiled.message(recipient, message_id=message_id, date=datetime.now(UTC))
        except Refused as error:
            return Answer(Verdict.REFUSED, reason=str(error))
        if len(data) > MAX_MESSAGE:
            return Answer(Verdict.REFUSED, reason=f"The message is {len(data):,} bytes; SES takes {MAX_MESSAGE:,}.")
        try:
            tags = [{"Name": "delivery", "Value": tag}]
            sent = self._sending.send_raw(mail.from_address, address, data, tags=tags, through=self._through(mail))
        except (BotoCoreError, ClientError) as error:
            return ses_errors.of_exception(error)
        if not sent:
            return Answer(Verdict.UNKNOWN, reason="The answer of SES could not be read.")
        return Answer(Verdict.ACCEPTED, message_id=sent)

    def _bulk(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Answer]:
        if len(recipients) > self.batch_size:
            raise Refused(f"SES takes {self.batch_size} recipients in one call, not {len(recipients)}.")
        template = self._template(mail)
        entries: list[str] = []
        answers: list[Answer | None] = []  # None: the reader is in the call
        for recipient in recipients:
            try:
                entries.append(template.entry(recipient))
                answers.append(None)
            except Refused as error:
                answers.append(Answer(Verdict.REFUSED, reason=str(error)))
        if not entries:
            return [answer for answer in answers if answer]
        content = {
            "TemplateName": template.name,
            "TemplateData": template.default_data,
            "Headers": list(template.fixed),
        }
        request = {
            "FromEmailAddress": template.sender,
            "ReplyToAddresses": [template.reply_to] if template.reply_to else [],
            "DefaultContent": {"Template": content},
            **self._through(mail),
        }
        called = iter(self._bulk_call(request, entries))
        return [answer or next(called) for answer in answers]

    def _bulk_call(self, request: Mapping[str, object], entries: Sequence[str]) -> list[Answer]:
        count = len(entries)
        try:
            results = self._sending.send_bulk(request, entries)
        except (BotoCoreError, ClientError) as error:
            return [ses_errors.of_exception(error, recipients=count)] * count
        if not isinstance(results, list) or len(results) != count:
            return [Answer(Verdict.UNKNOWN, reason="The answer of SES could not be read.")] * count
        return [_entry_answer(result) for result in results]

    def _through(self, mail: Mail) -> dict[str, object]:
        """Which configuration set, and what may be measured, whatever the set, the address or the account says."""
        name = self._settings.configuration_set
        return {**({"ConfigurationSetName": name} if name else {}), **stated(mail.tracking)}

    def _quota_of(self, account: dict[str, Any]) -> Quota:
        if account.get("EnforcementStatus") == "SHUTDOWN" or not account.get("SendingEnabled", False):
            raise Refused(
                "Amazon SES has stopped this account from sending. See the SES console's account page (reputation, "
                "support cases), then resume."
            )
        warnings = []
        if account.get("EnforcementStatus") == "PROBATION":
            warnings.append("Amazon SES has this account under review: bounces or complaints are too high.")
        if not account.get("ProductionAccessEnabled", False):
            warnings.append("This SES account is in the sandbox: only verified and simulator addresses get mail.")
        sent = account.get("SendQuota", {})
        most, rate = float(sent.get("Max24HourSend", 0)), float(sent.get("MaxSendRate", 0))
        if rate <= 0:
            raise Refused(
                "Amazon SES allows this account no mail at present: its sending rate is 0. See the SES console's "
                "account page, then resume."
            )
        left = None if most < 0 else max(0, int(most - float(sent.get("SentLast24Hours", 0))))
        return Quota(rate=rate * self._settings.rate_margin, left_today=left, warnings=tuple(warnings))

    def _client(self, session: Session, keys: Credentials | None, *, timeout: tuple[float, float]) -> Any:
        """For questions, which may be asked again."""
        settings = self._settings
        connect, read = timeout
        retries = {"total_max_attempts": 4, "mode": "standard"}
        config = Config(retries=retries, connect_timeout=connect, read_timeout=read)
        given = {"aws_access_key_id": keys.access_key, "aws_secret_access_key": keys.secret_key} if keys else {}
        client = boto3.session.Session(botocore_session=session, region_name=settings.region).client
        return client("sesv2", endpoint_url=settings.endpoint_url, config=config, **given)


def _keys(settings: SesSettings) -> Credentials | None:
    """A simulator on this machine needs keys but not real ones, and real ones must not reach it."""
    here = settings.endpoint_url and urlsplit(settings.endpoint_url).hostname in _LOOPBACK
    return Credentials("local", "local") if here else None


def _entry_answer(result: dict[str, str]) -> Answer:
    status = result.get("Status", "")
    if status == "SUCCESS":
        return Answer(Verdict.ACCEPTED, message_id=result.get("MessageId"))
    return ses_errors.of_status(status, result.get("Error", ""))
