"""Images: taken byte for byte when mail clients can show them, refused in plain words when not."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from issue_by_hand import ISSUE, STORY, build, make_issue, workspace_of
from lxml import html as lxml_html
from PIL import Image

from newsletter.errors import InputError
from newsletter.rendering.render import build_issue

BLOCK = '[[blocks]]\ntype = "image"\nsrc = "{}"\nalt = "A picture"\n'


def picture(width: int, height: int, kind: str = "PNG", **options: object) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), "#57534e").save(data, kind, **options)  # type: ignore[arg-type]
    return data.getvalue()


@pytest.fixture
def folder(workspace: Path) -> Path:
    folder = workspace / "issues" / ISSUE
    folder.mkdir()
    return folder


@pytest.mark.parametrize(("name", "kind", "taken"), [
    ("Wall & Sea.JPG", "JPEG", "wall-sea.jpg"),
    ("über.jpeg", "JPEG", "uber.jpg"),
    ("壁.png", "PNG", "image.png"),
    ("spin.gif", "GIF", "spin.gif"),
])  # fmt: skip
def test_an_image_is_kept_byte_for_byte_under_its_hash_and_a_plain_name(
    workspace: Path, folder: Path, name: str, kind: str, taken: str
) -> None:
    data = picture(1200, 640, kind)
    (folder / name).write_bytes(data)
    built = build(workspace, BLOCK.format(name))
    digest = hashlib.sha256(data).hexdigest()
    assert built.files[f"assets/{digest}/{taken}"] == data
    assert f'src="https://news.example.org/a/{digest}/{taken}"' in built.html
    assert built.manifest["assets"] == {f"issues/{ISSUE}/{name}": digest}


@pytest.mark.parametrize(("natural", "shown"), [
    ((1200, 640), (600, 320)), ((900, 450), (600, 300)), ((300, 200), (300, 200)), ((6000, 3), (600, 1)),
])  # fmt: skip
def test_an_image_is_never_shown_larger_than_it_is_nor_wider_than_its_place(
    workspace: Path, folder: Path, natural: tuple[int, int], shown: tuple[int, int]
) -> None:
    (folder / "a.png").write_bytes(picture(*natural))
    (found,) = lxml_html.document_fromstring(build(workspace, BLOCK.format("a.png")).html).xpath("//img")
    assert (found.get("width"), found.get("height")) == tuple(map(str, shown))


def test_a_photograph_taken_sideways_is_measured_as_it_is_seen(workspace: Path, folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (folder / "a.jpg").write_bytes(picture(400, 200, "JPEG", exif=exif))
    (found,) = lxml_html.document_fromstring(build(workspace, BLOCK.format("a.jpg")).html).xpath("//img")
    assert (found.get("width"), found.get("height")) == ("200", "400")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(("name", "data", "message"), [
    ("a.svg", SVG, "image `a.svg` is an SVG, which mail clients do not show. Use a JPEG, PNG or GIF."),
    ("a.jpg", SVG, "image `a.jpg` is an SVG"),
    ("a.webp", picture(9, 9, "WEBP"), "is a WebP"),
    ("a.avif", b"\0\0\0\x1cftypavif", "is an AVIF"),
    ("a.png", b"not a picture", "is not an image"),
    ("a.png", b"", "is not an image"),
    ("a.png", picture(400, 400)[:300], "is damaged. Save it again"),
    ("a.png", b"\x89PNG\r\n" + b"x" * (5 * 1024 * 1024), "is larger than 5 MB"),
    ("a.png", picture(40_000, 2_000), "has 40000 x 2000 pixels"),
])  # fmt: skip
def test_what_mail_cannot_show_is_refused_at_the_blocks_line(
    workspace: Path, folder: Path, name: str, data: bytes, message: str
) -> None:
    (folder / name).write_bytes(data)
    with pytest.raises(InputError) as refused:
        build(workspace, BLOCK.format(name))
    assert str(refused.value).startswith(f"issues/{ISSUE}/issue.toml:5: ")
    assert message in str(refused.value)


def test_every_bad_image_of_an_issue_is_named_at_once_at_its_own_place(workspace: Path, folder: Path) -> None:
    (folder / "a.svg").write_bytes(SVG)
    story = STORY.replace("+++\n\nIts", '\n[image]\nsrc = "gone.jpg"\nalt = "A wall"\n+++\n\nIts')
    issue = make_issue(workspace, '[[blocks]]\ntype = "lead"\nstory = "s"\n' + BLOCK.format("a.svg"), {"s": story})
    with pytest.raises(InputError) as refused:
        build_issue(workspace_of(workspace), issue)
    places = [str(problem.place) for problem in refused.value.problems]
    assert places == [f"issues/{ISSUE}/s.md:5", f"issues/{ISSUE}/issue.toml:8"]


def test_a_link_out_of_the_workspace_is_not_followed(workspace: Path, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(picture(10, 10))
    (folder / "a.png").symlink_to(outside)
    with pytest.raises(InputError, match="leads out of issues/"):
        build(workspace, BLOCK.format("a.png"))
