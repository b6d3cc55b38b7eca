"""Changing the address: asked for behind the private link, confirmed by the link that goes to the new mailbox.

The answer to asking is the same whatever we know of the new address. Only who holds its mailbox is told more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, FastAPI, Response

from newsletter.app import App
from newsletter.audience.address_change import Asked, Change, Confirmed, ask_for_address, change_asked, confirm_address
from newsletter.audience.links import Purpose, read_ticket
from newsletter.audience.preferences import masked
from newsletter.errors import InputError
from newsletter.web.public.body import form_fields
from newsletter.web.public.pages import Pages
from newsletter.web.public.preferences_page import Door, PreferencePages, Said

Form = Annotated[Mapping[str, str], Depends(form_fields)]
_STATUS = {Confirmed.TAKEN: 409, Confirmed.BARRED: 409, Confirmed.OVERTAKEN: 410}
_SAID = {
    Asked.SAME: Said("That is your address already."),
    Asked.TOO_OFTEN: Said(
        wrong={"address": "Three mails have gone out for this today, the most there are. Please try again tomorrow."}
    ),
}


def add_address(site: FastAPI, app: App, pages: Pages) -> None:
    """POST /me/<ticket>/address; GET and POST /address/<ticket>."""
    page = PreferencePages(app, pages)

    @site.post("/me/{token}/address")
    def ask(token: str, form: Form) -> Response:
        door = page.private_door(token)
        return page.show(door, _ask(app, page, door, form.get("address", ""))) if isinstance(door, Door) else door

    @site.api_route("/address/{token}", methods=["GET", "HEAD"])
    def look(token: str) -> Response:
        number = _number(app, token)
        with app.store.read() as connection:
            change = change_asked(connection, number) if number is not None else None
        if change is None:
            return _answer(pages, Confirmed.OVERTAKEN, None)
        if change.done:
            return _answer(pages, Confirmed.ALREADY, change)
        newsletter = pages.newsletters.get(change.newsletter)
        return pages.show("address.html", newsletter=newsletter, address=masked(change.address))

    @site.post("/address/{token}")
    def confirm(token: str) -> Response:
        number = _number(app, token)
        if number is None:
            return _answer(pages, Confirmed.OVERTAKEN, None)
        days = app.settings.retention.proof_days
        return _answer(pages, *confirm_address(app.store, number, now=app.now(), days=days))


def _ask(app: App, page: PreferencePages, door: Door, written: str) -> Said:
    try:
        name = page.speaks_for(door)
        asked = ask_for_address(app.store, app.keys, door.reader, written, newsletter=name, now=app.now())
    except InputError as error:
        return Said(wrong={"address": error.problems[0].message}, written={"address": written[:300]})
    mailed = f"A mail is on its way to {written.strip()}. Nothing changes before you press the button in it."
    return _SAID.get(asked, Said(mailed))


def _number(app: App, token: str) -> int | None:
    ticket = read_ticket(app.keys, Purpose.ADDRESS, token)
    return None if ticket is None or ticket.expired(app.now()) else ticket.number


def _answer(pages: Pages, done: Confirmed, change: Change | None) -> Response:
    return pages.show(
        "address-changed.html",
        newsletter=pages.newsletters.get(change.newsletter) if change else None,
        status=_STATUS.get(done, 200),
        done=str(done),
        address=masked(change.address) if change else "",
    )
