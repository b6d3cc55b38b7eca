"""One reader's whole way, on both databases, through the pages and the mails alone.

Sign up, confirm, get an issue, vote, pause, change the address, leave by the mail program's one click, be left out with
that reason, be erased, and not be brought back by an import.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select
from visitor import Mailbox, Visitor

from newsletter.app import App
from newsletter.audience.consent import Basis
from newsletter.audience.import_csv import import_csv
from newsletter.store.tables import metadata

OLD, NEW = "ada@example.org", "ada.new@example.net"


def test_from_signing_up_to_being_forgotten(
    app: App,
    visitor: Visitor,
    mailbox: Mailbox,
    post: Callable[[], None],
    send: Callable[[str], dict[str, object]],
    tmp_path: Path,
) -> None:
    # She signs up, and nothing is sent to her before she has confirmed.
    page = visitor.press(visitor.open("/signup"), "Sign up", email=OLD)
    assert page.heading == "Check your mail"
    post()
    asked = mailbox.only(OLD)
    assert send("2024-10-08")["account"]["accepted"] == 0  # type: ignore[index]
    page = visitor.press(visitor.open(asked.link("c")), "Yes, sign me up")
    assert page.heading == "You are signed up"
    post()
    welcome = mailbox.only(OLD)
    assert welcome.message["List-Unsubscribe"]

    # She gets an issue, votes, changes her mind, and sees how others voted.
    assert send("2024-10-09")["account"]["accepted"] == 1  # type: ignore[index]
    issue = mailbox.only(OLD)
    page = visitor.press(visitor.open(issue.link("v")), "Vote", choice="1")
    page = visitor.press(page, "Vote", choice="2")
    assert "100" in page.text

    # She pauses, gets nothing, and resumes.
    page = visitor.press(visitor.open(issue.link("u")), "Pause")
    report = send("2024-10-10")
    assert report["excluded_by"] == {"paused": 1}
    page = visitor.press(visitor.open(issue.link("u")), "Resume now")

    # She moves to another address: confirmed there, told here.
    page = visitor.press(visitor.open(issue.link("p")), "Mail me a private link")
    post()
    private = mailbox.only(OLD)
    page = visitor.press(visitor.open(private.link("me")), "Change", address=NEW)
    post()
    confirm = mailbox.only(NEW)
    visitor.press(visitor.open(confirm.link("address")), "Use this address")
    post()
    assert "address" in mailbox.only(OLD).subject.lower()
    send("2024-10-11")
    issue = mailbox.only(NEW)
    assert mailbox.new(OLD) == []

    # Her mail program's one click (RFC 8058) takes her off at once.
    url = str(issue.message["List-Unsubscribe"]).strip("<>")
    page = visitor.post(url, **{"List-Unsubscribe": "One-Click"})
    assert page.status == 200
    assert send("2024-10-12")["excluded_by"] == {"unsubscribed": 1}

    # The private link of the old mailbox opens nothing any more; the new mailbox gets one of its own.
    assert visitor.open(private.link("me")).status == 410
    visitor.press(visitor.open(issue.link("p")), "Mail me a private link")
    post()
    private = mailbox.only(NEW)

    # She is erased: only ids and a keyed hash are left of her, and no import brings her back.
    page = visitor.follow(visitor.open(private.link("me")), "erased")
    visitor.press(page, "Erase me")
    assert_forgotten(app, OLD, NEW)
    file = tmp_path / "old.csv"
    file.write_text(f"email\n{OLD}\n{NEW}\n")
    old_list = import_csv(
        app.store,
        app.keys,
        file,
        newsletter="daily",
        settings=app.settings.newsletters["daily"],
        source="an old list",
        basis=Basis.EXPRESS,
        actor="ed",
        now=app.now(),
    )
    assert (old_list.blocked, old_list.new) == (2, 0)
    assert send("2024-10-13")["account"]["accepted"] == 0  # type: ignore[index]


def assert_forgotten(app: App, *addresses: str) -> None:
    with app.store.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                for value in row:
                    for address in addresses:
                        assert address not in str(value).lower(), table.name
    for path in app.workspace.root.rglob("*"):
        if path.is_file():
            data = path.read_bytes().lower()
            assert not any(address.encode() in data for address in addresses), path
