"""Faults and kills drawn by a seed, and afterwards the provider's own record decides. `SENDS=1000` is the long form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).parents[2] / "bench" / "campaign.py"
SENDS = os.environ.get("SENDS", "4")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


@pytest.mark.parametrize("options", [(), ("--postgresql",)], ids=["sqlite", "postgresql"])
def test_through_faults_and_kills_every_reader_gets_it_once_and_the_account_adds_up(options: tuple[str, ...]) -> None:
    command = [sys.executable, str(CAMPAIGN), "--sends", SENDS, "--readers", "60", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr  # it names the send and the seed
    found = json.loads(done.stdout)
    assert (found["sends"], found["broken"]) == (int(SENDS), 0)
    assert found["drawn"]["kills"] > 0
