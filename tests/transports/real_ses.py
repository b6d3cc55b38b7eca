"""Amazon SES itself, for whoever has an account: not collected by itself, since it costs what nine mails cost.

    NEWSLETTER_REAL_SES_FROM=news@your-domain pytest tests/transports/real_ses.py

Credentials and region come from the usual AWS places; the sender must be verified there. Only SES's own mailbox
simulator is mailed (Amazon SES developer guide, "Using the mailbox simulator").
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from newsletter.settings import SesSettings
from newsletter.transports.mail import Mail, Recipient, Verdict
from newsletter.transports.ses import SesTransport

SENDER = os.environ.get("NEWSLETTER_REAL_SES_FROM")
ENDPOINT = os.environ.get("NEWSLETTER_REAL_SES_ENDPOINT")  # to try this very file against the simulator
OWN = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
MODES = ("raw", "bulk")


@pytest.fixture(params=MODES)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SesTransport:
    if SENDER is None:
        pytest.fail("NEWSLETTER_REAL_SES_FROM must name a verified sender")
    for name, value in OWN.items():  # taken away from all tests
        monkeypatch.setenv(name, value)
    region = OWN.get("AWS_REGION") or OWN.get("AWS_DEFAULT_REGION") or "us-east-1"
    return SesTransport(SesSettings(mode=request.param, region=region, endpoint_url=ENDPOINT))


@pytest.fixture
def ours(mail: Mail) -> Mail:
    return replace(mail, key=uuid.uuid4().hex, from_address=SENDER or "", reply_to=SENDER)


def test_the_account_says_what_it_allows(transport: SesTransport) -> None:
    assert (transport.quota().rate or 0) > 0


def test_readers_of_one_call_are_taken_each_by_a_message_of_their_own(
    transport: SesTransport, ours: Mail, reader: Callable[..., Recipient]
) -> None:
    transport.prepare(ours)
    transport.prepare(ours)  # the template is there already
    mailboxes = [
        f"{name}+{uuid.uuid4().hex[:8]}@simulator.amazonses.com" for name in ("success", "bounce", "complaint")
    ]
    several = [reader(address, "Élan {{x}} <b>") for address in mailboxes]
    calls = [several] if transport.batch_size > 1 else [[one] for one in several]
    answers = [answer for call in calls for answer in transport.hand_over(ours, call)]
    assert [(answer.verdict, answer.reason) for answer in answers] == [(Verdict.ACCEPTED, "")] * len(several)
    assert len({answer.message_id for answer in answers}) == len(several)


def test_a_sender_that_is_not_verified_stops_the_send_and_blames_no_reader(
    transport: SesTransport, ours: Mail, reader: Callable[..., Recipient]
) -> None:
    if ENDPOINT is not None:
        pytest.skip("the simulator takes mail from any sender")
    strange = replace(ours, key=uuid.uuid4().hex, from_address=f"x@{uuid.uuid4().hex}.example.com")
    transport.prepare(strange)
    (answer,) = transport.hand_over(strange, [reader("success@simulator.amazonses.com")])
    assert answer.verdict is Verdict.STOP
