"""A frozen build's images are served by their content's hash, from the store, as what they are."""

from __future__ import annotations

import shutil

import pytest
from fastapi.testclient import TestClient
from web_newsroom import image_paths, make_build, picture, publish, sha256

from newsletter.app import App
from newsletter.rendering.build import Build


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_an_image_is_served_as_what_it_is_whatever_its_name_says(site: TestClient, app: App, kind: str) -> None:
    data = picture(kind)
    build = publish(app, make_build("<p>x</p>", images={"picture.txt": data}))
    answer = site.get(image_paths(build)[0])
    assert answer.content == data
    assert answer.headers["content-type"] == f"image/{kind.lower()}"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_head_gives_the_headers_of_get(site: TestClient, issue: Build) -> None:
    path = image_paths(issue)[0]
    got, head = site.get(path), site.head(path)
    assert head.status_code == 200
    assert dict(head.headers) == dict(got.headers)


def test_a_reader_who_has_the_image_is_not_sent_it_again(site: TestClient, issue: Build) -> None:
    path = image_paths(issue)[0]
    etag = site.get(path).headers["etag"]
    again = site.get(path, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert site.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_images_come_from_the_store_not_from_the_folder(site: TestClient, app: App, issue: Build) -> None:
    shutil.rmtree(app.workspace.builds)
    assert site.get(image_paths(issue)[0]).status_code == 200


def test_images_are_there_before_the_issue_is_sent_so_that_a_test_mail_shows_them(site: TestClient, app: App) -> None:
    build = publish(app, make_build("<p>x</p>", images={"a.png": picture("PNG")}))
    assert site.get(image_paths(build)[0]).status_code == 200


def test_names_with_spaces_and_letters_of_any_language_are_found(site: TestClient, app: App) -> None:
    build = publish(app, make_build("<p>x</p>", images={"die Mauer – ö.png": picture("PNG")}))
    assert site.get(image_paths(build)[0]).status_code == 200


@pytest.mark.parametrize("name", ["page.png", "picture.svg"])
def test_a_file_that_is_no_image_is_not_served(site: TestClient, app: App, name: str) -> None:
    build = publish(app, make_build("<p>x</p>", images={name: b"<svg onload='x()'><script>x()</script></svg>"}))
    assert site.get(image_paths(build)[0]).status_code == 404


def test_anything_but_the_right_hash_and_name_is_not_found(site: TestClient, issue: Build) -> None:
    path = image_paths(issue)[0]
    right = path.split("/")[2]
    other = sha256(b"other")
    body = sha256(issue.files["body.html"])
    for wrong in (
        f"/a/{other}/wall.jpg",
        f"/a/{right}/other.jpg",
        f"/a/{right.upper()}/wall.jpg",
        f"/a/{right[:-1]}/wall.jpg",
        f"/a/{right}/",
        f"/a/{right}",
        f"/a/{right}/wall.jpg/",
        f"/a/{right}/x/wall.jpg",
        f"/a/{right}/%2e%2e/wall.jpg",
        f"/a/{right}/..%2Fwall.jpg",
        f"/a/{right}/wall.jpg%00",
        f"/a/{right}%00/wall.jpg",
        f"/a/%25/{'a' * 9000}",
        f"/a/{body}/body.html",
        "/a/..%2f..%2f..%2f/secrets.toml",
        "/a/_/%",
    ):
        answer = site.get(wrong)
        assert answer.status_code == 404, wrong
        assert "There is no such page" in answer.text
