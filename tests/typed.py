"""Commands typed in this process, through the program's own door: what a new Python would do, without starting one.

What only a process of its own can show (signals, the terminal, what is imported at the start) is tested with one.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from newsletter.__main__ import main


@dataclass(frozen=True)
class Done:
    """What a command left behind, named as subprocess names it."""

    returncode: int
    stdout: str
    stderr: str


def typed(*words: str, cwd: Path | None = None) -> Done:
    """Run `newsletter` with these words, outside any terminal and with nothing of the newsroom in the environment."""
    out, err = _paper(), _paper()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NEWSLETTER_")}
    code: object = 0
    with (
        patch.object(sys, "argv", ["newsletter", *words]),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(), encoding="utf-8")),
        patch.dict(os.environ, kept, clear=True),
        chdir(cwd or Path.cwd()),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    assert code is None or isinstance(code, int), code
    return Done(code or 0, _read(out), _read(err))


def _paper() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)


def _read(paper: io.TextIOWrapper) -> str:
    assert isinstance(paper.buffer, io.BytesIO)
    return paper.buffer.getvalue().decode()
