"""The demo without a browser: what the page is given to show, how it starts and refuses to."""

import os
import shutil
import socket
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from depthmask.app import Serving, cache_files, examples, find_card, find_examples, html
from depthmask.app import model_card as model_tab
from depthmask.app.photos.markup import markup
from depthmask.app.serve import check_address, remarks, spare_from_proxy
from depthmask.errors import LaunchError
from depthmask.network.checkpoint import SHIPPED, WEIGHTS
from tests.app.pages import files

__all__ = ["files"]


def test_what_a_user_names_is_escaped() -> None:
    assert "<b>" not in html.footer("<b>", None)


def test_the_card_is_that_of_the_weights_beside_it(tmp_path: Path) -> None:
    card = find_card(WEIGHTS)
    assert card is not None
    assert 'href="#model"' in html.footer("depthmask.safetensors", card)
    for mine in (tmp_path / "mine.safetensors", tmp_path / WEIGHTS.name):
        mine.write_bytes(b"weights of somebody's own")
        shutil.copy(card, tmp_path)
        assert find_card(mine) is None
        shutil.copy(card.with_name("SHA256SUMS"), tmp_path)
        assert find_card(mine) is None, "a card of other weights"
    assert "#model" not in html.footer("mine.safetensors", None)
    for name, weights in SHIPPED.items():
        assert find_card(weights) == weights.with_name(
            "README.md" if name == "main" else f"{weights.stem}.md"
        )


def test_pictures_of_the_card_are_part_of_it(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "shown.jpg")
    text = "![A sheet](shown.jpg) ![Lost](lost.jpg) [link](shown.jpg)"
    found = model_tab.embed_pictures(text, tmp_path)
    assert found.startswith("![A sheet](data:image/jpeg;base64,/9j/")
    assert found.endswith(") Lost [link](shown.jpg)")


def test_a_picture_browsers_cannot_show_gets_a_stand_in(tmp_path: Path) -> None:
    scan = tmp_path / "scan.tif"
    Image.new("RGB", (40, 30), (200, 10, 10)).save(scan)
    shown = cache_files.browser_copy(str(scan), 20)
    assert shown is not None
    assert Path(get_upload_folder()) in Path(shown).parents
    with Image.open(shown) as picture:
        assert picture.size == (20, 15)
    photo = tmp_path / "photo.png"
    Image.new("RGB", (40, 30)).save(photo)
    assert cache_files.browser_copy(str(photo), 20) is None
    scan.write_text("no picture")
    assert cache_files.browser_copy(str(scan), 20) is None


def test_truth_is_shown_as_it_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    classes = np.zeros((30, 40), np.uint8)
    classes[10:20] = 1
    for values, shown in ((classes, True), (classes * 255, False)):
        Image.fromarray(values).save(tmp_path / "mask.png")
        copy = cache_files.mask_copy(str(tmp_path / "mask.png"), 40)
        assert (copy is not None) == shown
        if copy:
            with Image.open(copy) as picture:
                assert np.array_equal(np.asarray(picture), classes * 255)
    metres = np.linspace(1, 4, 1200, dtype=np.float32).reshape(30, 40)
    np.save(tmp_path / "metres.npy", metres)
    Image.fromarray((metres * 1000).astype(np.uint16)).save(tmp_path / "millimetres.png")
    Image.fromarray((metres * 60).astype(np.uint8)).save(tmp_path / "relative.png")
    for name, shown in (("metres.npy", True), ("millimetres.png", True), ("relative.png", False)):
        copy = cache_files.depth_copy(str(tmp_path / name), 20)
        assert (copy is not None) == shown, name
        if copy:
            with Image.open(copy) as picture:
                assert picture.size == (20, 15)
                top, bottom = np.asarray(picture).mean(axis=(1, 2))[[0, -1]]
                assert top > bottom + 50, "near is bright"
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY")
    assert cache_files.depth_copy(str(tmp_path / "bad.npy"), 20) is None
    assert cache_files.mask_copy(str(tmp_path / "bad.npy"), 20) is None


def test_a_mask_is_shown_exactly_and_a_photo_as_jpeg() -> None:
    mask = np.arange(64 * 48, dtype=np.uint8).reshape(48, 64)
    shown = cache_files.save_preview(mask, "mask")
    with Image.open(shown) as picture:
        assert shown.endswith("/mask.png") and (np.asarray(picture) == mask).all()
    photo = np.full((48, 64, 3), (200, 10, 10), np.uint8)
    shown = cache_files.save_preview(photo, "cutout")
    with Image.open(shown) as picture:
        assert shown.endswith("/cutout.jpg") and picture.format == "JPEG"
        assert abs(np.asarray(picture).astype(int) - photo).max() < 4


def test_what_is_open_is_kept_from_deletion(tmp_path: Path) -> None:
    mine, other = cache_files.new_file("photo.png"), tmp_path / "photo.png"
    for path in (mine, other):
        path.write_text("")
        os.utime(path, (1, 1))
    cache_files.keep([str(mine), str(other), None, str(tmp_path / "gone.png")])
    assert mine.stat().st_mtime > 1
    assert other.stat().st_mtime == 1, "only what lies in the cache is touched"
    shutil.rmtree(mine.parent)


def test_files_are_gone_within_the_hour() -> None:
    assert cache_files.SWEEP_INTERVAL_S + cache_files.FILE_LIFETIME_S <= 3600


def test_examples_are_found(tmp_path: Path) -> None:
    for name, parts in {"red-cup": ("background", "image", "mask"), "half": ("image",)}.items():
        (tmp_path / name).mkdir()
        for part in parts:
            Image.new("RGB", (8, 6)).save(tmp_path / name / f"{part}.png")
    (found,) = find_examples(tmp_path)
    assert found.title == "Red cup"
    assert found.true_mask == tmp_path / "red-cup" / "mask.png"
    assert found.true_depth is None
    assert 'data-name="red-cup"' in markup([found])
    assert examples.thumbnail_url(found.image).startswith("data:image/jpeg;base64,")


def test_examples_have_order_and_titles(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        for part in ("background", "image"):
            Image.new("RGB", (8, 6)).save(tmp_path / name / f"{part}.jpg")
    (tmp_path / "examples.json").write_text(
        '[{"name": "c", "title": "Cups", "note": "Glass."}, {"name": "b", "title": "B"}]'
    )
    found = find_examples(tmp_path)
    assert [example.title for example in found] == ["Cups", "B", "A"]
    assert found[0].note == "Glass."


def test_every_shipped_example_has_its_truth() -> None:
    found = find_examples()
    assert 4 <= len(found) <= 6
    for example in found:
        assert None not in example.files, example.name


def test_an_address_that_cannot_be_listened_on_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError, match=f"has port {port} of 127.0.0.1; .*--port"):
            check_address("127.0.0.1", port)
    check_address("127.0.0.1", None)
    with pytest.raises(LaunchError, match=r"listen on 192\.0\.2\.1 .*--host"):
        check_address("192.0.2.1", None)  # an address of documents only
    for number in (0, -1, 65536):
        with pytest.raises(LaunchError, match="from 1 to 65535"):
            Serving(port=number)
    assert Serving(port=65535).port == 65535


def test_the_share_link_or_its_absence_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    link = "https://x.gradio.live"
    assert any(link in line for line in remarks(Serving(share=True), "http://here/", link))
    (line,) = remarks(Serving(share=True), "http://here/", None)
    assert "No public link" in line
    package = ModuleType("mcp")
    package.__spec__ = ModuleSpec("mcp", None)
    monkeypatch.setitem(sys.modules, "mcp", package)
    assert remarks(Serving(mcp=True), "http://here/", None) == [
        "Its tool for language models (MCP) is at http://here/gradio_api/mcp/"
    ]


def test_an_open_door_is_remarked_upon() -> None:
    def said(serving: Serving, share_url: str | None = None) -> str:
        return " ".join(remarks(serving, "http://here/", share_url))

    assert said(Serving()) == ""
    assert "--auth" in said(Serving(host="0.0.0.0"))
    assert "--auth" in said(Serving(share=True), "https://x.gradio.live")
    assert "--auth" not in said(Serving(share=True))
    assert "--auth" not in said(Serving(host="0.0.0.0", auth=("ann", "x")))


def test_no_proxy_stands_between_the_page_and_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "intranet,localhost")
    monkeypatch.delenv("NO_PROXY", raising=False)
    for _ in range(2):
        spare_from_proxy("127.0.0.1", "localhost")
    assert os.environ["no_proxy"] == "intranet,localhost,127.0.0.1"
    assert os.environ["NO_PROXY"] == "127.0.0.1,localhost"


def test_tools_and_a_password_do_not_go_together() -> None:
    with pytest.raises(LaunchError, match="--mcp and --auth"):
        Serving(mcp=True, auth=("ann", "x"))


def test_tools_without_their_package_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(LaunchError, match="pip install"):
        Serving(mcp=True)


def test_https_needs_a_certificate_and_its_key(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="needs both"):
        Serving(certificate=tmp_path / "cert.pem")
    with pytest.raises(LaunchError, match="There is no file"):
        Serving(certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem")


def test_a_certificate_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    bad = tmp_path / "cert.pem"
    bad.write_text("no certificate")
    with pytest.raises(LaunchError, match="cannot be used for https"):
        Serving(certificate=bad, key=bad)
