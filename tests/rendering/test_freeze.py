"""Freezing: whole or not at all, never changed, and checked when read back."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, update

from newsletter.app import App, open_app
from newsletter.errors import BuildError, NotFound, StoreError
from newsletter.rendering import freeze as module
from newsletter.rendering.build import Build, canonical_json
from newsletter.rendering.freeze import asset, find_builds, freeze, load_build
from newsletter.store.tables import build_files, builds

NOW = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)
IMAGE = b"not really a picture"
DIGEST = hashlib.sha256(IMAGE).hexdigest()


def a_build(text: str = "Hello", *, extra: dict[str, bytes] | None = None) -> Build:
    bodies = {
        "subject.txt": b"S\n",
        "preheader.txt": b"P\n",
        "body.html": f"<p>{text}</p>".encode(),
        "body.txt": text.encode(),
    }
    manifest = canonical_json(
        {
            "newsletter": "daily",
            "issue": "2024-10-10",
            "date": "2024-10-10",
            "variants": {"default": {name: hashlib.sha256(data).hexdigest() for name, data in bodies.items()}},
            "assets": {"issues/2024-10-10/wall.jpg": DIGEST},
        }
    )
    return Build({**bodies, f"assets/{DIGEST}/wall.jpg": IMAGE, "manifest.json": manifest, **(extra or {})})


def test_a_frozen_build_is_a_folder_and_rows_with_the_same_bytes(app: App) -> None:
    build = a_build()
    folder = freeze(app.store, app.workspace, build, now=NOW)
    assert folder == app.workspace.root / "var" / "builds" / build.hash
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == dict(build.files)
    assert dict(load_build(app.store, build.hash).files) == dict(build.files)
    assert list(folder.parent.iterdir()) == [folder]


def test_freezing_again_changes_nothing(app: App) -> None:
    folder = freeze(app.store, app.workspace, a_build(), now=NOW)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert freeze(app.store, app.workspace, a_build(), now=NOW + timedelta(hours=1)) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    with app.store.read() as connection:
        assert [found.built_at for found in find_builds(connection, "2024-10-10")] == [NOW]


def test_a_lost_folder_is_written_again(app: App) -> None:
    folder = freeze(app.store, app.workspace, a_build(), now=NOW)
    folder.rename(folder.with_name("moved"))
    assert (freeze(app.store, app.workspace, a_build(), now=NOW) / "body.txt").read_text() == "Hello"


def _change(folder: Path) -> None:
    (folder / "body.html").chmod(0o644)
    (folder / "body.html").write_text("<p>Bye</p>", encoding="utf-8")


def _add(folder: Path) -> None:
    (folder / "note.txt").write_text("x", encoding="utf-8")


def _remove(folder: Path) -> None:
    (folder / "assets" / DIGEST / "wall.jpg").unlink()


def _link(folder: Path) -> None:
    (folder / "body.txt").unlink()
    (folder / "body.txt").symlink_to(folder / "subject.txt")


@pytest.mark.parametrize(
    ("meddle", "named"), [(_change, "body.html"), (_add, "note.txt"), (_remove, "wall.jpg"), (_link, "body.txt")]
)
def test_a_folder_that_was_meddled_with_is_an_error_that_says_so(
    app: App, meddle: Callable[[Path], None], named: str
) -> None:
    folder = freeze(app.store, app.workspace, a_build(), now=NOW)
    meddle(folder)
    with pytest.raises(BuildError, match="not as it was frozen") as caught:
        freeze(app.store, app.workspace, a_build(), now=NOW)
    assert named in str(caught.value)
    assert str(app.workspace.root) not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        ("body.html", b"<p>other</p>", "body.html"),
        ("extra.txt", b"x", "extra.txt"),
        ("../outside.txt", b"x", "leads out"),
        (f"assets/{'0' * 64}/x.jpg", b"x", "not in its manifest"),
        (f"assets/{DIGEST}/..", IMAGE, "leads out"),
    ],
)
def test_a_build_that_contradicts_its_manifest_is_not_frozen(app: App, path: str, data: bytes, words: str) -> None:
    with pytest.raises(BuildError, match=words):
        freeze(app.store, app.workspace, a_build(extra={path: data}), now=NOW)
    assert not app.workspace.builds.exists()


def test_a_build_without_one_of_its_files_is_not_frozen(app: App) -> None:
    files = {path: data for path, data in a_build().files.items() if path != "body.txt"}
    with pytest.raises(BuildError, match=r"body\.txt is missing"):
        freeze(app.store, app.workspace, Build(files), now=NOW)


def test_an_unknown_build_is_not_found(app: App) -> None:
    with pytest.raises(NotFound):
        load_build(app.store, "0" * 64)


@pytest.mark.parametrize("path", ["body.html", "manifest.json", f"assets/{DIGEST}/wall.jpg"])
def test_a_build_changed_in_the_database_is_refused(app: App, path: str) -> None:
    build = a_build()
    freeze(app.store, app.workspace, build, now=NOW)
    with app.store.write() as connection:
        connection.execute(update(build_files).where(build_files.c.path == path).values(data=b"meddled"))
    with pytest.raises(StoreError, match="was changed"):
        load_build(app.store, build.hash)


def test_a_file_missing_from_the_database_is_noticed(app: App) -> None:
    build = a_build()
    freeze(app.store, app.workspace, build, now=NOW)
    with app.store.write() as connection:
        connection.execute(delete(build_files).where(build_files.c.path == "body.txt"))
    with pytest.raises(StoreError, match=r"body\.txt is missing"):
        load_build(app.store, build.hash)


def test_an_issues_builds_are_listed_newest_first(app: App) -> None:
    for hours, text in enumerate(("one", "two", "three")):
        freeze(app.store, app.workspace, a_build(text), now=NOW + timedelta(hours=hours))
    with app.store.read() as connection:
        found = find_builds(connection, "2024-10-10")
        assert [b.hash for b in found] == [a_build(t).hash for t in ("three", "two", "one")]
        assert find_builds(connection, "2024-10-11") == []


def test_an_image_is_served_by_hash_and_name_only(app: App) -> None:
    freeze(app.store, app.workspace, a_build(), now=NOW)
    assert asset(app.store, DIGEST, "wall.jpg") == IMAGE
    assert asset(app.store, DIGEST, "other.jpg") is None
    assert asset(app.store, "0" * 64, "wall.jpg") is None
    body = hashlib.sha256(b"Hello").hexdigest()
    assert asset(app.store, body, "../../body.txt") is None


def test_two_processes_may_freeze_the_same_build_at_once(workspace: Path) -> None:
    apps = [open_app(workspace, now=lambda: NOW)]
    apps.append(open_app(workspace, now=lambda: NOW))
    gate = threading.Barrier(2)
    folders: list[Path] = []

    def work(app: App) -> None:
        gate.wait()
        folders.append(freeze(app.store, app.workspace, a_build(), now=NOW))

    threads = [threading.Thread(target=work, args=(app,)) for app in apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 2
    assert list(folders[0].parent.iterdir()) == [folders[0]]
    with apps[0].store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(builds)) == 1
    for app in apps:
        app.store.close()


def test_a_failure_half_way_leaves_no_half_folder(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    real = module._write

    def failing(folder: Path, path: str, data: bytes) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(path)
        real(folder, path, data)

    monkeypatch.setattr(module, "_write", failing)
    with pytest.raises(BuildError, match="No space left"):
        freeze(app.store, app.workspace, a_build(), now=NOW)
    assert list(app.workspace.builds.iterdir()) == []
    monkeypatch.undo()
    assert (freeze(app.store, app.workspace, a_build(), now=NOW) / "body.txt").exists()
