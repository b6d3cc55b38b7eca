"""Two who write at once lose nothing: a file is written whole, and only over what was read."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.editorial import writing
from newsletter.editorial.merging import BASE, NEXT, OURS, THEIRS, merge_view
from newsletter.editorial.writing import EditedMeanwhile, write_new, write_over
from newsletter.errors import Refused

READ = b"one\ntwo\nthree\nfour\nfive\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "walls.md"
    path.write_bytes(READ)
    return path


def test_a_new_file_never_takes_the_place_of_another(file: Path) -> None:
    with pytest.raises(FileExistsError):
        write_new(file, b"mine")
    assert file.read_bytes() == READ
    write_new(file.with_name("new.md"), b"mine")
    assert sorted(path.name for path in file.parent.iterdir()) == ["new.md", "walls.md"]


def test_a_link_that_leads_nowhere_is_something_that_is_there(file: Path) -> None:
    (file.parent / "link.md").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        write_new(file.parent / "link.md", b"mine")


def test_what_was_read_is_replaced_and_keeps_its_mode(file: Path) -> None:
    file.chmod(0o640)
    write_over(file, b"mine", read=READ)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"mine", 0o640)
    assert list(file.parent.iterdir()) == [file]


def test_what_somebody_wrote_meanwhile_stays_and_all_three_are_shown(file: Path) -> None:
    theirs = READ.replace(b"two", b"TWO")
    file.write_bytes(theirs)

    with pytest.raises(EditedMeanwhile) as caught:
        write_over(file, READ.replace(b"two", b"zwei").replace(b"five", b"fuenf"), read=READ)

    assert file.read_bytes() == theirs
    assert caught.value.view.splitlines() == [
        "one",
        OURS,
        "zwei",
        BASE,
        "two",
        NEXT,
        "TWO",
        THEIRS,
        "three",
        "four",
        "fuenf",
    ]
    assert list(file.parent.iterdir()) == [file]


def test_a_file_deleted_meanwhile_is_not_made_again(file: Path) -> None:
    file.unlink()
    with pytest.raises(EditedMeanwhile):
        write_over(file, b"mine", read=READ)
    assert not file.exists()


def test_an_edit_between_the_look_and_the_change_is_put_back(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = writing._exchange
    rounds = iter([b"theirs\n"])

    def edited_first(one: Path, other: Path) -> bool:
        for theirs in rounds:
            saved = file.with_name("saved")  # as editors save: beside it, then in its place
            saved.write_bytes(theirs)
            saved.replace(file)
        return exchange(one, other)

    monkeypatch.setattr(writing, "_exchange", edited_first)
    with pytest.raises(EditedMeanwhile):
        write_over(file, b"mine\n", read=READ)
    assert file.read_bytes() == b"theirs\n"


def test_while_one_process_changes_a_file_no_other_does(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = writing._exchange

    def looking(one: Path, other: Path) -> bool:
        handle = os.open(file.parent, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
        return exchange(one, other)

    monkeypatch.setattr(writing, "_exchange", looking)
    write_over(file, b"mine", read=READ)
    assert file.read_bytes() == b"mine"


def test_of_many_who_write_over_the_same_words_one_does_and_the_others_are_told(file: Path) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        try:
            write_over(file, f"writer {number}\n".encode(), read=READ)
            outcomes.append(f"writer {number}\n")
        except EditedMeanwhile:
            outcomes.append("told")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = [outcome for outcome in outcomes if outcome != "told"]
    assert [file.read_text(encoding="utf-8")] == written


def test_a_folder_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be written"):
        write_new(tmp_path / "missing" / "a.md", b"mine")


LINES = st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=8).map(lambda lines: "\n".join(lines).encode())


@given(base=LINES, ours=LINES, theirs=LINES)
def test_a_merge_takes_what_one_side_changed_and_hides_nothing(base: bytes, ours: bytes, theirs: bytes) -> None:
    lines = merge_view(base, ours=ours, theirs=theirs).splitlines()
    assert merge_view(base, ours=ours, theirs=base).splitlines() == (ours.decode().splitlines() or [""])
    assert merge_view(base, ours=base, theirs=theirs).splitlines() == (theirs.decode().splitlines() or [""])
    if OURS not in lines:
        return
    assert {line for line in theirs.decode().splitlines() if line not in base.decode().splitlines()} <= set(lines)
    assert {line for line in ours.decode().splitlines() if line not in base.decode().splitlines()} <= set(lines)
