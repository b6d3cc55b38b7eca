"""An SMTP server that takes every mail and keeps none, as fast as plain asyncio goes; it offers PIPELINING.

Prints its port, serves until its input closes, then prints how many mails it took.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

END = b"\r\n.\r\n"
SAYS = {b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250 SIZE 40000000\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221\r\n"}


class Talk(asyncio.Protocol):
    """One connection."""

    taken = 0  # by all of them

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.rest = b""
        self.in_mail = False
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        data = self.rest + data
        answers = []
        while True:
            if self.in_mail:
                end = data.find(END)
                if end < 0:
                    self.rest = data[1 - len(END) :]
                    break
                data, self.in_mail = data[end + len(END) :], False
                Talk.taken += 1
                answers.append(b"250 taken\r\n")
            line, ended, after = data.partition(b"\r\n")
            if not ended:
                self.rest = data
                break
            verb = line[:4].upper()
            answers.append(SAYS.get(verb, b"250 ok\r\n"))
            data, self.in_mail = after, verb == b"DATA"
            if verb == b"QUIT":
                self.transport.write(b"".join(answers))
                self.transport.close()
                return
        self.transport.write(b"".join(answers))


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Talk, "127.0.0.1", 0)
    ended = asyncio.Event()

    def listen() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            ended.set()

    loop.add_reader(sys.stdin.fileno(), listen)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    print(Talk.taken, flush=True)


@dataclass
class Running:
    """The sink in a process of its own."""

    port: int
    pid: int
    taken: int = 0  # known when it has ended


@contextmanager
def sink() -> Iterator[Running]:
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = Running(int(process.stdout.readline()), process.pid)
    try:
        yield found
    finally:
        found.taken = int(process.communicate()[0])


if __name__ == "__main__":
    asyncio.run(serve())
