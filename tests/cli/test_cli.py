"""The command line, as the people who type it meet it: exit codes, JSON, errors in words.

Most commands are typed in this process; `run` starts the program for real where the process itself is in question.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typed import Done, typed


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the sample issues and three readers, one of whom left."""
    root = tmp_path_factory.mktemp("cli") / "newsroom"
    assert typed("init", str(root), "--sample").returncode == 0
    readers = root / "readers.csv"
    readers.write_text("email,status\nalice@example.org,\nbob@example.org,unsubscribed\ncem@example.net,\n")
    done = at(root, "subscriber", "import", str(readers), "--source", "form", "--basis", "express")
    assert done.returncode == 0, done.stderr
    return root


def run(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NEWSLETTER_")}
    command = [sys.executable, "-m", "newsletter", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


def at(root: Path, *words: str) -> Done:
    return typed("--workspace", str(root), *words)


def as_json(done: Done | subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_init_keeps_the_keys_from_others(newsroom: Path) -> None:
    assert (newsroom / "secrets.toml").stat().st_mode & 0o777 == 0o600
    assert "/secrets.toml" in (newsroom / ".gitignore").read_text()


def test_init_never_overwrites_a_workspace(newsroom: Path) -> None:
    before = (newsroom / "secrets.toml").read_bytes()
    done = typed("init", str(newsroom))
    assert (done.returncode, (newsroom / "secrets.toml").read_bytes()) == (1, before)
    assert "nothing was changed" in done.stderr


def test_init_where_a_file_stands_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "file", tmp_path / "file" / "deeper"):
        done = typed("init", str(target))
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (1, 1), done.stderr
        assert "cannot be made" in done.stderr


def test_an_issue_named_for_a_day_that_does_not_exist_is_refused(newsroom: Path) -> None:
    done = at(newsroom, "new", "2024-02-30")
    assert (done.returncode, "there is no day 2024-02-30" in done.stderr) == (2, True)
    assert not (newsroom / "issues" / "2024-02-30").exists()


def test_check_reports_findings_and_exits_1_when_one_blocks(newsroom: Path) -> None:
    done = run("-w", str(newsroom), "check", "2024-10-10", "--json")
    found = as_json(done)
    assert (done.returncode, done.stderr) == (1, "")
    assert set(found) == {"issue", "findings", "errors", "warnings"}
    rules = {finding["rule"]: finding for finding in found["findings"]}  # type: ignore[attr-defined]
    assert set(rules["DATE"]) == {"rule", "severity", "file", "line", "message", "remedy"}
    assert (rules["DATE"]["file"], rules["DATE"]["line"]) == ("issues/2024-10-10/issue.toml", 2)


def test_check_of_broken_sources_names_every_line(newsroom: Path) -> None:
    assert at(newsroom, "new", "2024-10-12").returncode == 0
    definition = newsroom / "issues" / "2024-10-12" / "issue.toml"
    definition.write_text(definition.read_text().replace('story = "lead"', 'story = "leed"') + "colour = 1\n")
    found = as_json(at(newsroom, "check", "2024-10-12", "--json"))
    places = [(f["rule"], f["line"], f["message"]) for f in found["findings"]]  # type: ignore[attr-defined]
    assert [rule for rule, _, _ in places] == ["SOURCE"] * len(places)
    assert any("colour" in message for _, _, message in places)


def test_a_new_issue_builds_as_it_stands(newsroom: Path) -> None:
    assert at(newsroom, "new", "2024-10-13").returncode == 0
    done = at(newsroom, "build", "2024-10-13", "--json")
    assert done.returncode == 0, done.stderr
    assert {finding["rule"] for finding in as_json(done)["findings"]} >= {"SUBJ", "PREH"}  # type: ignore[attr-defined]
    assert at(newsroom, "new", "2024-10-13").returncode == 1
    assert at(newsroom, "new", "../outside").returncode == 2


def test_build_freezes_a_folder_and_says_where(newsroom: Path) -> None:
    found = as_json(at(newsroom, "build", "2024-10-10", "--json"))
    assert set(found) >= {"issue", "build", "path", "subject", "preheader", "html_bytes", "text_bytes", "findings"}
    folder = Path(str(found["path"]))
    assert {"subject.txt", "preheader.txt", "body.html", "body.txt", "manifest.json"} <= {
        p.name for p in folder.iterdir()
    }
    assert folder.name == found["build"]


def test_send_is_refused_while_a_finding_blocks_and_goes_out_when_it_is_waived(newsroom: Path) -> None:
    refused = at(newsroom, "send", "2024-10-09", "--json")
    assert (refused.returncode, as_json(refused)["send"]) == (1, None)
    sent = at(newsroom, "send", "2024-10-09", "--waive", "DATE=rehearsal", "--as", "Ann", "--json")
    assert sent.returncode == 0, sent.stderr
    report = as_json(sent)
    assert report["account"] == {
        "audience": 3, "excluded": 1, "pending": 0, "in_flight": 0, "uncertain": 0, "accepted": 2, "refused": 0,
    }  # fmt: skip
    assert (report["state"], report["excluded_by"]) == ("done", {"unsubscribed": 1})
    assert len(list((newsroom / "var" / "outbox").rglob("*.eml"))) == 2

    again = at(newsroom, "send", "2024-10-09")
    assert again.returncode == 1
    assert "--rest" in again.stderr
    shown = as_json(at(newsroom, "sends", "show", str(report["send"]), "--json"))
    assert shown == report | {"stopped": None, "obstacle": None}
    listed = as_json(at(newsroom, "sends", "list", "--json"))["sends"]
    assert listed == [{name: value for name, value in report.items() if name not in {"warnings", "stopped"}}]


@pytest.mark.parametrize(
    ("waiver", "message"),
    [("DAET=x", "Did you mean `DATE`?"), ("UNSUB=x", "cannot be waived"), ("DATE=", "needs a reason")],
)
def test_a_waiver_needs_a_rule_that_can_be_waived_and_a_reason(newsroom: Path, waiver: str, message: str) -> None:
    done = at(newsroom, "send", "2024-10-08", "--waive", waiver)
    assert (done.returncode, message in done.stderr) == (1, True)


def test_explain_says_why_with_the_promised_keys(newsroom: Path) -> None:
    found = as_json(at(newsroom, "audience", "explain", "bob@example.org", "--json"))
    assert set(found) == {"address", "newsletter", "mailable", "reason", "evidence"}
    assert (found["mailable"], found["reason"]) == (False, "unsubscribed")
    counted = as_json(at(newsroom, "audience", "count", "--json"))
    assert (counted["audience"], counted["mailable"], counted["excluded_by"]) == (3, 2, {"unsubscribed": 1})


def test_a_reader_can_be_added_shown_and_unsubscribed(newsroom: Path) -> None:
    mail = "dora@example.com"
    assert at(newsroom, "subscriber", "add", mail, "--source", "letter").returncode == 0
    assert at(newsroom, "subscriber", "show", mail).returncode == 0
    assert at(newsroom, "subscriber", "unsubscribe", mail, "--as", "Ann").returncode == 0
    assert as_json(at(newsroom, "audience", "explain", mail, "--json"))["reason"] == "unsubscribed"
    shown = at(newsroom, "consent", "show", mail)
    assert ("left The Meridian" in " ".join(shown.stdout.split()), "Ann" in shown.stdout) == (True, True)


def test_import_with_a_bad_row_stores_nothing_and_names_the_row(newsroom: Path) -> None:
    file = newsroom / "bad.csv"
    file.write_text("email\nerna@example.org\nnot-an-address\n")
    done = at(newsroom, "subscriber", "import", str(file), "--source", "x", "--basis", "express", "--json")
    found = as_json(done)
    assert done.returncode == 1
    assert found["batch"] is None
    assert [(p["row"], p["address"]) for p in found["problems"]] == [(3, "not-an-address")]  # type: ignore[attr-defined]
    assert as_json(at(newsroom, "audience", "explain", "erna@example.org", "--json"))["mailable"] is False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("check", "2024-1010"), "Did you mean `2024-10-10`?"),
        (("sends", "show", "nosuch"), "nosuch"),
        (("audience", "count", "--newsletter", "dayly"), "Did you mean `daily`?"),
        (("audience", "explain", "nobody"), "nobody"),
        (("subscriber", "import", "missing.csv", "--source", "x", "--basis", "express"), "missing.csv"),
    ],
)
def test_what_does_not_exist_is_one_line_with_what_to_do(newsroom: Path, words: tuple[str, ...], message: str) -> None:
    done = run("-w", str(newsroom), *words) if words[0] == "check" else at(newsroom, *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_outside_a_workspace_the_remedy_is_init(tmp_path: Path) -> None:
    done = run("check", cwd=tmp_path)
    assert (done.returncode, "newsletter init DIR" in done.stderr) == (2, True)


def test_a_name_with_terminal_codes_cannot_write_on_the_screen(newsroom: Path) -> None:
    done = at(newsroom, "subscriber", "add", "eve@example.org", "--source", "\x1b[2Jform [bold]x")
    assert "\x1b" not in done.stdout + done.stderr
    shown = at(newsroom, "consent", "show", "eve@example.org")
    assert "\x1b" not in shown.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("subscriber", "add", "ann@example.com", "--source", "s", "--as", "\x1b[31mboss"), "--as: holds a control"),
        (("audience", "count", "-n", "\x1b[31mx"), "There is no newsletter"),
        (("serve", "--host", "\udcff"), "Cannot listen on"),
    ],
)
def test_a_hostile_word_is_one_line_that_does_nothing_to_the_terminal(
    newsroom: Path, words: tuple[str, ...], message: str
) -> None:
    done = run("-w", str(newsroom), *words) if words[0] == "serve" else at(newsroom, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("source", ["\x1b[31m", "x" * 501])
def test_an_import_refuses_a_source_no_row_could_have_given(newsroom: Path, tmp_path: Path, source: str) -> None:
    (tmp_path / "in.csv").write_text("email\nann@example.com\n", encoding="utf-8")
    done = at(newsroom, "subscriber", "import", str(tmp_path / "in.csv"), "--source", source, "--basis", "express")
    assert (done.returncode, done.stderr.startswith("error: --source: ")) == (2, True)


def test_an_import_says_when_the_header_is_one_endless_cell(newsroom: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("x" * 200_000, encoding="utf-8")
    done = at(newsroom, "subscriber", "import", str(tmp_path / "in.csv"), "--source", "s", "--basis", "express")
    assert (done.returncode, "in.csv:1: has no usable header line" in done.stderr) == (2, True)
