"""What only the private link opens: all we hold on a reader, as a file, and being erased.

Erasing takes two steps: a page that says what will happen, and its button.
"""

from __future__ import annotations

from fastapi import FastAPI, Response

from newsletter.app import App
from newsletter.audience.my_data import as_json, my_data
from newsletter.sending.erasure import erase_reader
from newsletter.web.public.pages import Pages
from newsletter.web.public.preferences_page import Door, PreferencePages

FILE_NAME = "my-data.json"


def add_private(site: FastAPI, app: App, pages: Pages) -> None:
    """POST /me/<ticket>/data; GET and POST /me/<ticket>/erase."""
    page = PreferencePages(app, pages)

    @site.post("/me/{token}/data")
    def download(token: str) -> Response:
        door = page.private_door(token)
        if not isinstance(door, Door):
            return door
        with app.store.read() as connection:
            found = my_data(connection, app.keys, door.reader, at=app.now())
        headers = {"Content-Disposition": f'attachment; filename="{FILE_NAME}"'}
        return Response(as_json(found), media_type="application/json", headers=headers)

    @site.api_route("/me/{token}/erase", methods=["GET", "HEAD"])
    def explain_erasing(token: str) -> Response:
        door = page.private_door(token)
        return pages.show("erase.html", back=pages.base + door.path) if isinstance(door, Door) else door

    @site.post("/me/{token}/erase")
    def erase(token: str) -> Response:
        door = page.private_door(token)
        if not isinstance(door, Door):
            return door
        reader, now = door.reader, app.now()
        done = erase_reader(app.store, app.workspace, app.keys, subscriber_id=reader, actor="reader", now=now)
        return pages.show("erased.html", on_its_way=done.in_flight > 0)
