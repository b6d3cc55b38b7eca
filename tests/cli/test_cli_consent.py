"""What a person types about one reader's rights: her record, its proof, the suppression list, erasure; and policies."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from newsletter.cli.root import cli

ALICE = "alice@example.org"
POLICY = """
[[newsletters.daily.policies]]
version = "1"
effective = 2023-01-01
change = "notice"
summary = "The first."

[[newsletters.daily.policies]]
version = "2"
effective = 2024-01-01
change = "reconsent"
summary = "We measure opens."
"""


@pytest.fixture
def root(make_workspace: Callable[..., Path]) -> Path:
    """A workspace with Alice, whose consent lapses in a hundred years, and Bob."""
    root = make_workspace()
    readers = root / "readers.csv"
    readers.write_text(f"email,first_name\n{ALICE},Alice\nbob@example.org,Bob\n")
    assert said(root, "subscriber import", str(readers), "--source", "form", "--basis", "express").exit_code == 0
    return root


def said(root: Path, command: str, *words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["-w", str(root), *command.split(), *words], input=typed)


def refused(root: Path, command: str, *words: str) -> str:
    result = said(root, command, *words)
    assert result.exit_code == 1
    return str(result.exception)


def test_a_readers_record_is_shown_as_a_person_reads_it(root: Path) -> None:
    shown = said(root, "consent show", ALICE)
    assert "was imported as a reader of The Meridian (form); express consent" in " ".join(shown.output.split())
    assert sum(shown.output.count(day) for day in re.findall(r"\d{4}-\d\d-\d\d", shown.output)[:1]) == 1
    found = json.loads(said(root, "consent show", ALICE, "--json").output)
    assert [entry["newsletter"] for entry in found["entries"]] == ["*", "daily"]
    assert "Nothing is on record" in said(root, "consent show", "nobody@example.org").output


def test_the_proof_is_written_for_its_owners_eyes_only(root: Path, tmp_path: Path) -> None:
    assert said(root, "consent export", ALICE, "--out", str(tmp_path / "proof")).exit_code == 0
    files = sorted((tmp_path / "proof").iterdir())
    assert [file.suffix for file in files] == [".html", ".json"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert json.loads(files[1].read_text())["address"] == ALICE


def test_an_address_is_put_on_the_list_and_taken_off_by_a_person_who_says_why(root: Path) -> None:
    assert "is on the suppression list" in said(root, "subscriber suppress", ALICE, "--why", "a letter").output
    assert "already" in said(root, "subscriber suppress", ALICE, "--why", "a letter").output
    assert "does not get" in said(root, "audience explain", ALICE).output
    lift = ("subscriber unsuppress", ALICE, "--reason", "manual", "--why", "a mistake")
    assert (
        "is not on the suppression list for complaint"
        in said(root, lift[0], ALICE, "--reason", "complaint", *lift[4:]).output
    )
    assert "is no longer suppressed for manual" in said(root, *lift).output
    assert said(root, *lift).exit_code == 1
    assert " gets " in said(root, "audience explain", ALICE).output


@pytest.mark.parametrize("reason", ["unsubscribe", "erasure", "moved"])
def test_what_only_the_reader_lifts_no_person_lifts(root: Path, reason: str) -> None:
    result = said(root, "subscriber unsuppress", ALICE, "--reason", reason, "--why", "please")
    assert result.exit_code == 2


def test_erasing_asks_first_and_then_says_what_is_gone_and_what_is_not_touched(root: Path) -> None:
    assert "Say --yes" in refused(root, "subscriber erase", ALICE)
    done = said(root, "subscriber erase", ALICE, "--yes")
    assert done.exit_code == 0, done.output
    assert "1 consent ended" in done.output
    assert "Not touched: backups" in done.output
    again = json.loads(said(root, "subscriber erase", ALICE, "--yes", "--json").output)
    assert (again["complete"], again["withdrawn"]) == (True, 0)
    assert "erased" in said(root, "audience explain", ALICE).output


def test_a_new_policy_is_counted_queued_and_shown(root: Path) -> None:
    config = root / "config.toml"
    assert "names no policies" in said(root, "consent policies").output
    assert "no version of its policy" in said(root, "consent notify").output
    config.write_text(config.read_text() + POLICY)
    assert (
        "concerns 2 readers: 0 told or queued before, 2 would be queued"
        in said(root, "consent notify", "--dry-run").output
    )
    assert "2 queued" in said(root, "consent notify").output
    assert "2 told or queued before, 0 queued" in said(root, "consent notify").output
    found = json.loads(said(root, "consent policies", "--json").output)["policies"]
    assert [(p["version"], p["on_their_way"], p["owing"]) for p in found] == [("1", 0, 0), ("2", 2, 2)]
    assert "reconsent" in said(root, "consent policies").output


def test_who_will_lapse_is_said_when_the_audience_is_counted(root: Path) -> None:
    readers = root / "more.csv"
    readers.write_text("email,expires\ncem@example.org,2999-01-28\n")
    assert said(root, "subscriber import", str(readers), "--source", "form", "--basis", "express").exit_code == 0
    found = json.loads(said(root, "audience count", "--json").output)
    assert found["lapsing"] == {"days": 30, "soon": 0, "by_month": {}}
    assert "this month" not in said(root, "audience count").output
