"""What a person would write first: the library as it comes, threads, and no ledger, no consent, no pace.

Each gives its readers what the program gives them: their own link to leave, signed; the same headers, tags and data.
The MIME message is spliced as the program does it, so that only the sending is compared.
"""

from __future__ import annotations

import json
import smtplib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config

from newsletter.sending.messages import Fields
from newsletter.transports.mail import Mail, Recipient
from newsletter.transports.mime import compiled_mail

BULK_THREADS = 8
RAW_THREADS = 16
CALL = 50


@dataclass(frozen=True)
class Readers:
    """Everybody, by number from 1, and the mail they get."""

    number: int
    mail: Mail
    fields: Fields

    def recipient(self, reader: int) -> Recipient:
        own = self.fields.of(reader, f"Ann{reader}")
        return Recipient(f"reader{reader}@example.com", own, f"abcdefgh-{reader}-1")

    def message(self, reader: int) -> tuple[Recipient, bytes]:
        one = self.recipient(reader)
        message_id = f"<{one.tag}@example.org>"
        return one, compiled_mail(self.mail).message(one, message_id=message_id, date=datetime.now(UTC))


def send_bulk_email(readers: Readers, url: str) -> None:
    """boto3's default configuration, 50 readers a call."""
    client, mail = _client(url, BULK_THREADS), readers.mail
    html = mail.html.replace("{{first_name|reader}}", "{{first_name}}")
    text = mail.text.replace("{{first_name|reader}}", "{{first_name}}")
    content = {"Subject": mail.subject, "Html": html, "Text": text}
    name = f"bare-{mail.key}"
    client.create_email_template(TemplateName=name, TemplateContent=content)

    def call(first: int) -> None:
        several = range(first, min(first + CALL, readers.number + 1))
        answer = client.send_bulk_email(
            FromEmailAddress=f"{mail.from_name} <{mail.from_address}>",
            DefaultContent={"Template": {"TemplateName": name, "TemplateData": "{}"}},
            BulkEmailEntries=[_entry(readers.recipient(reader)) for reader in several],
        )
        if any(result["Status"] != "SUCCESS" for result in answer["BulkEmailEntryResults"]):
            raise SystemExit(f"The bare loop failed: {answer}")

    with ThreadPoolExecutor(BULK_THREADS) as pool:
        list(pool.map(call, range(1, readers.number + 1, CALL)))


def send_email(readers: Readers, url: str) -> None:
    """One call a reader."""
    client = _client(url, RAW_THREADS)

    def call(reader: int) -> None:
        one, data = readers.message(reader)
        client.send_email(
            FromEmailAddress=readers.mail.from_address,
            Destination={"ToAddresses": [one.address]},
            Content={"Raw": {"Data": data}},
            EmailTags=[{"Name": "delivery", "Value": one.tag}],
        )

    with ThreadPoolExecutor(RAW_THREADS) as pool:
        list(pool.map(call, range(1, readers.number + 1)))


def sendmail(readers: Readers, port: int, *, connections: int) -> None:
    """smtplib over connections that are kept."""

    def talk(first: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as relay:
            for reader in range(first, readers.number + 1, connections):
                one, data = readers.message(reader)
                relay.sendmail(readers.mail.from_address, [one.address], data)

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(talk, range(1, connections + 1)))


def _client(url: str, threads: int) -> Any:
    session = boto3.session.Session("local", "local", region_name="us-east-1")
    return session.client("sesv2", endpoint_url=url, config=Config(max_pool_connections=threads))


def _entry(one: Recipient) -> dict[str, Any]:
    return {
        "Destination": {"ToAddresses": [one.address]},
        "ReplacementTags": [{"Name": "delivery", "Value": one.tag}],
        "ReplacementHeaders": [
            {"Name": "List-ID", "Value": "Daily <daily.example.org>"},
            {"Name": "List-Unsubscribe", "Value": f"<{one.fields['unsubscribe_url']}>"},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
        ],
        "ReplacementEmailContent": {"ReplacementTemplate": {"ReplacementTemplateData": json.dumps(one.fields)}},
    }
