"""An export of another program is known by its columns, and its readers become what they were there."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from newsletter.audience.claims import Status
from newsletter.audience.formats import recognise
from newsletter.errors import InputError
from newsletter.store.tables import consent, proofs, subscribers

_MAILCHIMP = "MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC"
MAILCHIMP = (
    f"Email Address,First Name,Last Name,{_MAILCHIMP},REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS\n"
    "alice@example.com,Alice,Ames,2,2023-04-21 11:16:57,198.51.100.7,2023-04-21 11:20:00,"
    '198.51.100.7,,,,,,,,2023-04-21 11:20:00,1.23E+08,5c9d81bf3c,,"""Ed"""\n'
)
MAILCHIMP_UNSUBSCRIBED = (
    f"Email Address,First Name,Last Name,{_MAILCHIMP},REGION,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,"
    "UNSUB_REASON,UNSUB_REASON_OTHER,LEID,EUID,NOTES,TAGS\n"
    "bob@example.com,Bob,,,2018-02-12 10:54:27,,2018-02-12 10:54:27,,,,,,,,,2018-07-23 12:19:27,,,,,1,b,,\n"
)
MAILCHIMP_CLEANED = (
    f"Email Address,First Name,Last Name,{_MAILCHIMP},REGION,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,"
    "LEID,EUID,NOTES,TAGS\n"
    "carol@example.com,,,1,2018-02-05 19:28:23,,2018-02-05 19:28:23,,,,,,,,,2020-03-23 17:30:05,,,1,c,,\n"
)
SUBSTACK = """\
email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at
alice@example.com,false,,other,false,2024-01-15T10:00:00.000Z,
bob@example.com,true,2025-01-01T00:00:00.000Z,yearly,TRUE,2024-01-16T10:00:00.000Z,2024-01-16T10:00:00.000Z
"""
GHOST = """\
id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers
m1,alice@example.com,Alice Ames,,true,false,,2024-01-15T10:00:00.000Z,,,
m2,bob@example.com,Bob,,false,false,,2024-02-10T08:00:00.000Z,,,
m3,carol@example.com,Carol,,true,false,,2024-02-10T08:00:00.000Z,2024-03-10T08:00:00.000Z,,
"""
BEEHIIV = """\
email,First Name,Last Name,status,tier,created_at,stripe_customer_id,Free Tier,Premium Tier,unsubscribed_at
alice@example.com,Alice,,active,free,2023-03-24 10:23:10 UTC,,Yes,No,
bob@example.com,Bob,,inactive,free,2023-03-24 10:36:48 UTC,,Yes,No,2024-03-13 11:33:53 UTC
carol@example.com,,,pending,free,2023-04-11 14:02:46 UTC,,Yes,No,
dora@example.com,,,invalid,free,2023-04-11 14:02:46 UTC,,Yes,No,
"""
BUTTONDOWN = """\
id,email,subscriber_type,creation_date,subscription_date,utm_source,metadata,tags,ip_address
1,alice@example.com,Regular,2024-02-01T00:00:00Z,2023-03-01T00:00:00Z,,{},,198.51.100.9
2,bob@example.com,unsubscribed,2024-02-01T00:00:00Z,2023-03-01T00:00:00Z,,{},,
3,carol@example.com,undeliverable,2024-02-01T00:00:00Z,2023-03-01T00:00:00Z,,{},,
4,dora@example.com,complained,2024-02-01T00:00:00Z,2023-03-01T00:00:00Z,,{},,
5,erin@example.com,unactivated,2024-02-01T00:00:00Z,2023-03-01T00:00:00Z,,{},,
6,frank@example.com,spammy,2024-02-01T00:00:00Z,2023-03-01T00:00:00Z,,{},,
"""
LISTMONK = """\
uuid,email,name,attributes,status,created_at,updated_at
u1,alice@example.com,Alice Ames,"{""city"": ""Bonn""}",enabled,2024-01-02 15:04:05.999999 +0000 UTC,2024-01-02 15:04:05 +0000 UTC
u2,bob@example.com,Bob,{},disabled,2024-01-02 15:04:05.999999 +0000 +0000,2024-01-02 15:04:05 +0000 UTC
u3,frank@example.com,Frank,{},blocklisted,2024-01-02 15:04:05.999999 +0000 UTC,2024-01-02 15:04:05 +0000 UTC
"""  # noqa: E501 - as the programs write them
EXPORTS: dict[str, tuple[str, str, list[str]]] = {
    "mailchimp": (MAILCHIMP, "a Mailchimp export", ["mailable"]),
    "mailchimp-unsubscribed": (
        MAILCHIMP_UNSUBSCRIBED,
        "a Mailchimp export of contacts who unsubscribed",
        ["unsubscribed"],
    ),
    "mailchimp-cleaned": (
        MAILCHIMP_CLEANED,
        "a Mailchimp export of cleaned contacts (addresses that bounced)",
        ["suppressed-hard-bounce"],
    ),
    "substack": (SUBSTACK, "a Substack export", ["mailable", "unsubscribed"]),
    "ghost": (GHOST, "a Ghost export", ["mailable", "unsubscribed", "unsubscribed"]),
    "beehiiv": (BEEHIIV, "a beehiiv export", ["mailable", "unsubscribed", "unconfirmed", "suppressed-hard-bounce"]),
    "buttondown": (
        BUTTONDOWN,
        "a Buttondown export",
        [
            "mailable",
            "unsubscribed",
            "suppressed-hard-bounce",
            "suppressed-complaint",
            "unconfirmed",
            "suppressed-manual",
        ],
    ),
    "listmonk": (LISTMONK, "a listmonk export", ["mailable", "unsubscribed", "suppressed-manual"]),
}


def addresses(file: str) -> list[str]:
    names = ("alice", "bob", "carol", "dora", "erin", "frank")
    return [f"{name}@example.com" for name in names if f"{name}@example.com" in file]


def entries_of(newsroom: Any, address: str) -> list[Any]:
    with newsroom.app.store.read() as connection:
        query = select(consent).join(subscribers, subscribers.c.id == consent.c.subscriber_id)
        query = query.where(subscribers.c.address_hash == newsroom.hash(address)).order_by(consent.c.id)
        return list(connection.execute(query))


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_known_and_everyone_is_what_she_was_there(newsroom: Any, name: str) -> None:
    file, label, reasons = EXPORTS[name]
    report = newsroom.imports(file)
    assert (report.read_as, report.format) == (label, name.split("-")[0])
    assert (report.refused, report.problems) == (0, [])
    assert [newsroom.reason(address) for address in addresses(file)] == reasons


@pytest.mark.parametrize("name", EXPORTS)
def test_the_same_export_again_changes_nothing(newsroom: Any, name: str) -> None:
    file, _, reasons = EXPORTS[name]
    newsroom.imports(file)
    again = newsroom.imports(file)
    mailable_or_not = sum(count for count in (again.unchanged, again.blocked))
    assert (again.new, again.changed, mailable_or_not) == (0, 0, len(reasons))


@pytest.mark.parametrize("name", EXPORTS)
def test_a_file_with_other_columns_beside_them_is_still_known(name: str) -> None:
    header = EXPORTS[name][0].splitlines()[0].lower().replace(" ", "_").split(",")
    found = recognise([*header, "favourite_colour"])
    assert found is not None
    assert found.label == EXPORTS[name][1]


def test_a_consent_is_dated_by_its_confirmation_and_a_withdrawal_by_its_own_time(newsroom: Any) -> None:
    newsroom.imports(MAILCHIMP)
    newsroom.imports(MAILCHIMP_UNSUBSCRIBED)
    [entry] = entries_of(newsroom, "alice@example.com")
    assert entry.occurred_at.isoformat() == "2023-04-21T15:20:00+00:00"  # 11:20 in New York
    given, withdrawn = entries_of(newsroom, "bob@example.com")
    assert (given.event, given.occurred_at.year) == ("imported", 2018)
    assert (withdrawn.event, withdrawn.occurred_at.isoformat()) == ("withdrawn", "2018-07-23T16:19:27+00:00")


def test_a_withdrawal_nobody_dated_is_dated_by_the_day_we_heard_of_it(newsroom: Any) -> None:
    newsroom.imports(SUBSTACK)
    assert entries_of(newsroom, "bob@example.com")[-1].occurred_at == newsroom.now


def test_where_a_reader_signed_up_from_is_a_proof_and_no_part_of_the_ledger(newsroom: Any) -> None:
    newsroom.imports(BUTTONDOWN, proof_days=30)
    with newsroom.app.store.read() as connection:
        [proof] = connection.execute(select(proofs))
    [entry] = entries_of(newsroom, "alice@example.com")
    assert (proof.kind, proof.network_address, proof.consent_id) == ("visit", "198.51.100.9", entry.id)
    assert (proof.delete_after - newsroom.now).days == 30
    assert "198.51.100.9" not in str(tuple(entry))


def test_a_format_can_be_named_where_the_columns_prove_none(newsroom: Any) -> None:
    assert newsroom.imports(SUBSTACK, format_name="generic").read_as == "a generic CSV file"
    assert newsroom.reason("bob@example.com") == "mailable"  # a generic file has no `email_disabled`
    with pytest.raises(InputError, match=r"--format: `mailchump` is not known\. Did you mean `mailchimp`"):
        newsroom.imports(SUBSTACK, format_name="mailchump")


def test_a_word_of_theirs_that_we_do_not_know_is_refused_and_not_guessed(newsroom: Any) -> None:
    report = newsroom.imports(LISTMONK.replace("enabled", "paused"))
    assert report.problems[0].reason.startswith('`status` cannot be "paused".')


def test_a_full_name_is_not_taken_for_a_first_name_unless_asked_for(newsroom: Any) -> None:
    report = newsroom.imports(GHOST)
    assert "--map first_name=name" in report.note
    with newsroom.app.store.read() as connection:
        assert set(connection.scalars(select(subscribers.c.first_name))) == {None}
    newsroom.imports(GHOST, mapping={"first_name": "name"})
    with newsroom.app.store.read() as connection:
        assert "Alice Ames" in set(connection.scalars(select(subscribers.c.first_name)))


def test_a_list_of_leavers_without_a_status_is_imported_as_what_it_is_said_to_be(newsroom: Any) -> None:
    newsroom.imports("email\nalice@example.com\n")
    newsroom.imports("email\nalice@example.com\n", status=Status.UNSUBSCRIBED)
    assert newsroom.reason("alice@example.com") == "unsubscribed"
