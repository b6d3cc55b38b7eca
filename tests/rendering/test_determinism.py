"""Invariant 10: the same sources and program give the same build hash, wherever and whenever it is built."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import sample_newsroom
from sample_newsroom import ISSUES, build_sample, furnish

WORLDS = (
    {"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1", "LC_ALL": "C"},
    {"TZ": "America/Los_Angeles", "PYTHONHASHSEED": "4711", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "0"},
)


def hashes_in(root: Path, world: dict[str, str], *, cwd: Path) -> list[str]:
    paths = os.pathsep.join(str(Path(found).parent) for found in (sample_newsroom.__file__,))
    environment = {**os.environ, "PYTHONPATH": paths, **world}
    found = subprocess.run(
        [sys.executable, sample_newsroom.__file__, str(root)],
        env=environment, cwd=cwd, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return found.stdout.split()


def test_one_name_from_two_folders_two_zones_two_hash_seeds_and_other_file_times(
    make_workspace: Callable[..., Path], tmp_path: Path
) -> None:
    here, there = make_workspace(name="here"), make_workspace(name="a folder elsewhere, with spaces")
    for root in (here, there):
        furnish(root)
    for path in sorted(there.rglob("*"), reverse=True):
        os.utime(path, (1, 1))
    first = hashes_in(here, WORLDS[0], cwd=tmp_path)
    second = hashes_in(there, WORLDS[1], cwd=there)
    assert len(first) == len(set(first)) == len(ISSUES)
    assert first == second


def test_a_manifest_tells_nothing_of_the_machine(workspace: Path) -> None:
    furnish(workspace)
    built = build_sample(workspace, "2024-10-10")
    raw = built.files["manifest.json"].decode()
    assert str(workspace) not in raw
    assert str(Path.home()) not in raw
    assert all(not path.startswith(("/", "..")) for path in [*built.manifest["sources"], *built.manifest["assets"]])
    assert raw == json.dumps(json.loads(raw), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_the_manifest_vouches_for_every_file_of_the_build(workspace: Path) -> None:
    import hashlib

    furnish(workspace)
    built = build_sample(workspace, "2024-10-10")
    variant = built.manifest["variants"]["default"]
    for name, data in built.files.items():
        digest = hashlib.sha256(data).hexdigest()
        if name.startswith("assets/"):
            assert name.split("/")[1] == digest
            assert digest in built.manifest["assets"].values()
        elif name != "manifest.json":
            assert variant[name] == digest
    assert all(b"\r" not in data for name, data in built.files.items() if not name.startswith("assets/"))


def test_an_edit_anywhere_gives_another_name(workspace: Path) -> None:
    furnish(workspace)
    names = {build_sample(workspace, "2024-10-10").hash}
    story = workspace / "issues" / "2024-10-10" / "walls.md"
    story.write_text(story.read_text(encoding="utf-8") + "\nOne more word.\n", encoding="utf-8")
    names.add(build_sample(workspace, "2024-10-10").hash)
    notes = workspace / "issues" / "2024-10-10" / "issue.toml"
    notes.write_text('notes = "for the desk"\n' + notes.read_text(encoding="utf-8"), encoding="utf-8")
    names.add(build_sample(workspace, "2024-10-10").hash)
    config = workspace / "config.toml"
    config.write_text(config.read_text().replace("editors@news", "desk@news"), encoding="utf-8")
    names.add(build_sample(workspace, "2024-10-10").hash)
    assert len(names) == 4
