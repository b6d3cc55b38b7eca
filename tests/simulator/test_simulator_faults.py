"""Trouble comes at the calls it was ordered for, and a script says it in a file whose mistakes are named by line."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from newsletter.errors import InputError, NewsletterError, NotFound
from newsletter.simulator.faults import Fault, Faults
from newsletter.simulator.script import read_script
from newsletter.simulator.server import Running, start

MakeClient = Callable[[str], Any]
Fetch = Callable[[str], dict[str, Any]]
INLINE = {"TemplateContent": {"Subject": "Hello", "Text": "Body"}, "TemplateData": "{}"}


def met(faults: Faults, operations: str) -> str:
    """Which calls of a row (s: SendEmail, b: SendBulkEmail) meet trouble."""
    names = {"s": "SendEmail", "b": "SendBulkEmail"}
    return "".join("x" if faults.next(names[letter]) else "." for letter in operations)


def ordered(**order: Any) -> Faults:
    faults = Faults(seed=7)
    faults.order(Fault(**order))
    return faults


@pytest.mark.parametrize(
    ("order", "calls", "expected"),
    [
        ({}, "ssss", "x..."),
        ({"after": 2, "times": 2}, "ssssss", "..xx.."),
        ({"every": 3}, "sssssss", "..x..x."),
        ({"every": 3, "after": 1, "times": 1}, "sssssss", "...x..."),
        ({"op": "SendBulkEmail", "times": 2}, "sbsbsb", ".x.x.."),
        ({"op": "SendBulkEmail", "after": 1}, "sbsbsb", "...x.."),
    ],
)
def test_trouble_meets_the_calls_it_was_ordered_for(order: dict[str, Any], calls: str, expected: str) -> None:
    assert met(ordered(do="throttle", **order), calls) == expected


def test_chance_is_the_same_with_the_same_seed_and_about_as_often_as_ordered() -> None:
    first, second = (met(ordered(do="throttle", chance=0.2), "s" * 1000) for _ in range(2))
    assert first == second
    assert 150 < first.count("x") < 250
    other = Faults(seed=8)
    other.order(Fault(do="throttle", chance=0.2))
    assert met(other, "s" * 1000) != first


def test_a_state_of_the_account_lasts_as_long_as_it_was_ordered() -> None:
    at = [0.0]
    faults = Faults(clock=lambda: at[0])
    faults.order(Fault(do="paused", after=1, seconds=10))
    account: dict[str, object] = {"SendingEnabled": True, "SendQuota": {}}
    assert met(faults, "ss") == ".x"
    assert faults.answer(account)["SendingEnabled"] is False
    at[0] = 10
    assert faults.answer(account)["SendingEnabled"] is True


BROKEN = [
    ('[[faults]]\ndo = "throttel"\n', 2, "Did you mean `throttle`?"),
    ('seed = 1\n\n[[faults]]\ndo = "throttle"\nafters = 3\n', 5, "unknown key `afters`. Did you mean `after`?"),
    ("[recipients]\nbounces = 2\n", 2, "at most 1"),
    ("[recipient]\nbounces = 0.1\n", 1, "unknown key `recipient`"),
    ('[[faults]]\ndo = "throttle"\nseconds = 3\n', 1, "`seconds` has no effect on `throttle`"),
    ('[[faults]]\ndo = "throttle"\nevery = 3\nchance = 0.1\n', 1, "`every` or `chance`, not both"),
    ('[[faults]]\ndo = "outage"\n', 1, "for how many `seconds`"),
    ('[[faults]]\ndo = "entries"\nentry_status = ["odd"]\n', 1, "TRANSIENT_FAILURE"),
    ("seed = \n", 1, "has no value"),
]


@pytest.mark.parametrize(("text", "line", "words"), BROKEN)
def test_what_is_wrong_with_a_script_is_said_by_file_and_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_script(path)
    assert str(caught.value).startswith(f"faults.toml:{line}: ")
    assert words in str(caught.value)


def test_a_script_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.toml cannot be read"):
        read_script(tmp_path / "none.toml")


def test_a_simulator_with_a_broken_script_does_not_start(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text("[events]\nlots = 1\n")
    with pytest.raises(NewsletterError, match=r"faults\.toml:2: unknown key `lots`"):
        start(tmp_path / "data", faults=path)


def bulk(client: Any, number: int, **more: Any) -> list[str]:
    entries = [{"Destination": {"ToAddresses": [f"reader{n}@example.com"]}} for n in range(number)]
    answer = client.send_bulk_email(
        FromEmailAddress="a@news.example.org", DefaultContent={"Template": INLINE}, BulkEmailEntries=entries, **more
    )
    return [result["Status"] for result in answer["BulkEmailEntryResults"]]


def send(client: Any, address: str = "ann@example.org", **more: Any) -> str:
    content = {"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Body"}}}}
    found: str = client.send_email(
        FromEmailAddress="a@news.example.org", Destination={"ToAddresses": [address]}, Content=content, **more
    )["MessageId"]
    return found


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


SCRIPT = """
seed = 3

[account]
daily = 500
suppressed = ["gone@example.com"]

[recipients]
bounces = 0.3

[[faults]]
do = "entries"
entry_status = ["TRANSIENT_FAILURE", "ACCOUNT_THROTTLED"]
share = 0.4

[[faults]]
do = "daily-quota"
op = "SendEmail"
seconds = 600

[[faults]]
do = "shutdown"
op = "SendBulkEmail"
after = 1
"""


def the_day(simulator: Running, client: Any, fetch: Fetch) -> tuple[list[str], list[tuple[str, str]]]:
    """What the script's faults do, one after the other; the entries' statuses, and who got what."""
    statuses = bulk(client, 50)
    assert {"SUCCESS", "TRANSIENT_FAILURE", "ACCOUNT_THROTTLED"} == set(statuses)
    assert code_of(lambda: send(client)) == "TooManyRequestsException"
    quota = client.get_account()["SendQuota"]
    assert quota["SentLast24Hours"] == quota["Max24HourSend"] == 500
    assert code_of(lambda: bulk(client, 1)) == "AccountSuspendedException"
    account = client.get_account()
    assert (account["SendingEnabled"], account["EnforcementStatus"]) == (False, "SHUTDOWN")
    found = fetch(f"{simulator.url}/_simulator/faults")["met"]
    assert found == {"entries": 1, "daily-quota": 1, "shutdown": 1}
    rows = fetch(f"{simulator.url}/_simulator/messages")["messages"]
    return statuses, [(row["destination"][0], row["outcomes"][0]) for row in rows]


def test_a_script_makes_one_simulator_like_the_next(tmp_path: Path, fetch: Fetch, make_client: MakeClient) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(SCRIPT)
    days = []
    for name in ("first", "second"):
        with start(tmp_path / name, faults=path) as simulator:
            days.append(the_day(simulator, make_client(simulator.url), fetch))
    assert days[0] == days[1]
    outcomes = [outcome for _, outcome in days[0][1]]
    assert 0 < outcomes.count("bounced") < len(outcomes)


def test_nobody_answers_during_an_outage_and_afterwards_somebody_does(tmp_path: Path, make_client: MakeClient) -> None:
    with start(tmp_path) as simulator:
        client = make_client(simulator.url)
        order(simulator.url, {"do": "outage", "seconds": 0.3})
        with pytest.raises(BotoCoreError):
            send(client)
        tries = 0
        while True:
            tries += 1
            try:
                send(client)
                break
            except BotoCoreError:
                assert tries < 100_000
        assert tries > 1


def test_the_sandbox_mails_verified_and_simulator_addresses_only(tmp_path: Path, make_client: MakeClient) -> None:
    with start(tmp_path) as simulator:
        client = make_client(simulator.url)
        order(simulator.url, {"account": {"sandbox": True, "verified": ["example.net"]}})
        assert client.get_account()["ProductionAccessEnabled"] is False
        with pytest.raises(ClientError, match=r"Email address is not verified.*ann@example\.org"):
            send(client)
        send(client, "bo@example.net")
        send(client, "success@simulator.amazonses.com")
        client.create_email_identity(EmailIdentity="reader1@example.com")
        assert bulk(client, 2) == ["MESSAGE_REJECTED", "SUCCESS"]
        assert [one["IdentityName"] for one in client.list_email_identities()["EmailIdentities"]] == [
            "example.net",
            "reader1@example.com",
        ]
        put = client.put_suppressed_destination
        assert code_of(lambda: put(EmailAddress="a@example.org", Reason="BOUNCE")) == "BadRequestException"
        client.delete_email_identity(EmailIdentity="reader1@example.com")
        assert bulk(client, 2) == ["MESSAGE_REJECTED"] * 2


def order(url: str, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json"}
    ask = urllib.request.Request(f"{url}/_simulator/faults", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(ask, timeout=10):
        pass
