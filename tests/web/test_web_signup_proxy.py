"""Behind a proxy: the reader's own network address is the one on record, and nobody can make up another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select
from web_newsroom import reopen

from newsletter.app import open_app
from newsletter.store.tables import proofs

PROGRAM = """\
import sys
from pathlib import Path
from newsletter.app import open_app
from newsletter.web.serve import serve
serve(open_app(Path(sys.argv[1])), "127.0.0.1", 0)
"""


@contextmanager
def served(root: Path) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield next(word for word in process.stdout.readline().split() if word.startswith("http://"))
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("trusted", "recorded"),
    [('"127.0.0.1", "10.0.0.0/8"', "203.0.113.9"), ('"10.0.0.0/8"', "127.0.0.1"), ("", "127.0.0.1")],
)
@pytest.mark.sqlite
def test_a_forwarded_address_is_believed_from_a_trusted_proxy_alone_and_only_the_last_it_did_not_write_itself(
    workspace: Path, trusted: str, recorded: str
) -> None:
    reopen(workspace, extra=f"\n[web]\ntrusted_proxies = [{trusted}]\n").store.close()
    form = {"email": "ada@example.org", "newsletter.daily": "1"}
    with served(workspace) as address:
        # The first is what a reader made up; the second what the outer proxy saw; the third is the inner proxy.
        forwarded = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9, 10.1.2.3", "X-Forwarded-Proto": "https"}
        assert httpx2.post(f"{address}/signup", data=form, headers=forwarded).status_code == 200
    app = open_app(workspace)
    with app.store.read() as connection:
        assert list(connection.scalars(select(proofs.c.network_address))) == [recorded]
    app.store.close()
