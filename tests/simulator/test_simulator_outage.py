"""An outage cuts everybody: whoever comes in at its very moment is not left holding a line that nobody will answer."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from newsletter.simulator.server import _Door
from newsletter.simulator.wire import Response


class Office:
    """All a door needs of a simulator."""

    def handle(self, _request: object) -> Response:
        return Response(200)


@pytest.mark.parametrize("turns", range(5))
def test_who_is_being_let_in_as_an_outage_begins_is_cut_off_too(turns: int) -> None:
    """So many turns of the loop after the connection was made: taken in, and not yet known to anybody."""
    assert asyncio.run(cut_off(turns)) == b""


async def cut_off(turns: int) -> bytes:
    office: Any = Office()
    door = _Door(office, "127.0.0.1")
    port = await door.open(0)
    with socket.create_connection(("127.0.0.1", port)) as line:
        for _ in range(turns):
            await asyncio.sleep(0)
        door.close_for(3_600)
        line.setblocking(False)
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(line, 100), 10)
        except ConnectionResetError:
            return b""
