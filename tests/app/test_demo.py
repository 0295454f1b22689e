"""The demo without a browser: what the page is given to show, how it starts and refuses to."""

import os
import shutil
import socket
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from depthmask.app import Serving, cache_files, examples, find_card, find_examples, html
from depthmask.app import model_card as model_tab
from depthmask.app.examples import Example
from depthmask.app.fair_queue import FairQueue
from depthmask.app.photos.analysis import Analysis, DroppedFiles, analyse
from depthmask.app.photos.tab import Inputs, PhotosTab, choose, empty, stale_truth
from depthmask.app.photos.views import BACKDROP, MASK_VIEWS
from depthmask.app.prediction_cache import PredictionCache
from depthmask.app.serve import check_address, remarks, spare_from_proxy
from depthmask.errors import LaunchError
from depthmask.network.checkpoint import WEIGHTS
from tests.app.pages import HEIGHT, WIDTH, Fake, files, in_own_loop

__all__ = ["files"]


def test_figures_and_what_they_need(files: DroppedFiles) -> None:
    without = analyse(Fake(), PredictionCache(), replace(files, true_mask=None, true_depth=None))
    assert html.NEEDS_TRUTH in html.mask_figures(without)
    assert html.NEEDS_TRUTH in html.depth_figures(without)
    assert f"0.25 s for {WIDTH} × {HEIGHT} pixels" in html.about_run(without)
    result = analyse(Fake(), PredictionCache(), files)
    assert "<dd>0.500</dd>" in html.mask_figures(result)
    assert "<dd>0.100</dd>" in html.depth_figures(result)


def test_what_a_user_names_is_escaped() -> None:
    assert "<script>" not in html.message(Analysis(message="<script>.png is no picture"))
    assert "<b>" not in html.footer("<b>", None)


def test_the_convention_is_on_the_page_in_full() -> None:
    from depthmask.depth import CONVENTION

    assert CONVENTION in html.convention()


def test_every_view_has_a_legend() -> None:
    for view in MASK_VIEWS.values():
        assert view.legend.left or view.legend.right
        assert "legend" in html.legend(view)


def test_the_card_is_that_of_the_weights_beside_it(tmp_path: Path) -> None:
    card = find_card(WEIGHTS)
    assert card is not None
    assert 'data-tab="model"' in html.footer("depthmask.safetensors", card)
    for mine in (tmp_path / "mine.safetensors", tmp_path / WEIGHTS.name):
        mine.write_bytes(b"weights of somebody's own")
        shutil.copy(card, tmp_path)
        assert find_card(mine) is None
        shutil.copy(card.with_name("SHA256SUMS"), tmp_path)
        assert find_card(mine) is None, "a card of other weights"
    assert "data-tab" not in html.footer("mine.safetensors", None)


def test_pictures_of_the_card_are_part_of_it(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "shown.jpg")
    text = "![A sheet](shown.jpg) ![Lost](lost.jpg) [link](shown.jpg)"
    found = model_tab.embed_pictures(text, tmp_path)
    assert found.startswith("![A sheet](data:image/jpeg;base64,/9j/")
    assert found.endswith(") Lost [link](shown.jpg)")


def inputs(**changes: Any) -> Inputs:
    values = Inputs(
        *(None, None, None, None),
        near_is_bright=False,
        align=False,
        originals={},
        mask_view="mask",
        depth_view="depth",
        colour="#000000",
        backdrop=None,
        blur=0.5,
    )
    return values._replace(**changes)


def test_a_stand_in_is_known_for_its_original() -> None:
    given = inputs(background={"path": "a"}, image={"path": "b"}, originals={"b": "scan.tif"})
    assert given.shown == DroppedFiles("a", "b")
    assert given.files == DroppedFiles("a", "scan.tif")


def build_tab(predictor: Fake, shown: list[Example]) -> PhotosTab:
    async def build() -> PhotosTab:
        with gr.Blocks():
            return PhotosTab(
                predictor, shown, model="weights", cache=PredictionCache(), queue=FairQueue()
            )

    return in_own_loop(build)  # Gradio would open a loop of its own and leave it open


@pytest.fixture
def uploads(
    files: DroppedFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, str]]:
    """The files, in Gradio's cache, as a page names them."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return {zone: {"path": path} for zone, path in vars(files).items()}


def test_photos_are_swapped_on_the_page_and_for_the_network(
    uploads: dict[str, dict[str, str]],
) -> None:
    network = Fake()
    tab = build_tab(network, [])
    background, image, *_ = tab.on_swap(*inputs(**uploads))
    assert (background, image) == (uploads["image"]["path"], uploads["background"]["path"])
    ((first, second),) = network.pairs
    assert first.mean() > second.mean(), "the image was the brighter"


def test_a_panel_is_drawn_again_only_if_its_request_changed(
    uploads: dict[str, dict[str, str]],
) -> None:
    network = Fake()
    tab, page = build_tab(network, []), inputs(**uploads)
    skipped = [gr.skip()] * 4
    assert tab.on_settled(None, None, *page) == skipped * 2, "a pair that nobody has predicted"
    tab.on_drop(*page)
    asked = page.requests(page.files)
    assert tab.on_settled(*asked, *page) == skipped * 2
    other = page._replace(mask_view="cutout")
    mask, depth = (tab.on_settled(*asked, *other)[part] for part in (slice(4), slice(4, 8)))
    assert depth == skipped
    assert mask[-1] == other.requests(other.files)[0] and mask[0]["value"].endswith("cutout.jpg")
    assert len(network.pairs) == 1


def test_a_page_names_only_what_was_uploaded_and_the_examples(files: DroppedFiles) -> None:
    """Gradio lets any path pass that does not say that it is a file."""
    example = find_examples()[0]
    tab = build_tab(Fake(), [example])
    uploaded = cache_files.new_file("image.png")
    shutil.copy(str(files.image), uploaded)
    beyond = str(Path(get_upload_folder()) / ".." / str(files.image).lstrip("/"))
    known = {"path": str(uploaded)}
    for path in (str(files.background), beyond):
        private = {"path": path}
        for values in (inputs(background=private, image=known), inputs(true_depth=private)):
            for event in (tab.on_drop, tab.on_swap, tab.on_mask_view, tab.on_depth_view):
                with pytest.raises(gr.Error, match="not uploaded"):
                    event(*values)
            with pytest.raises(gr.Error, match="not uploaded"):
                list(tab.on_download("all", *values))
        with pytest.raises(gr.Error, match="not uploaded"):
            tab.on_backdrop(private, *inputs())
    tab.on_mask_view(*inputs(background={"path": str(example.background)}, image=known))


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


def test_a_backdrop_that_is_no_picture_is_told(tmp_path: Path) -> None:
    bad = tmp_path / "notes.txt"
    bad.write_text("no picture")
    chosen, complaint = choose(inputs(mask_view=BACKDROP, backdrop=str(bad)))
    assert chosen.backdrop is None
    assert "notes.txt" in complaint and str(tmp_path) not in complaint
    assert choose(inputs(mask_view="mask", backdrop=str(bad)))[1] == "", "nobody looks at it"


def test_zones_that_cannot_be_read_are_emptied() -> None:
    assert [update is None for update in empty(frozenset({"image"}))] == [False, True, False, False]


def test_examples_are_found(tmp_path: Path) -> None:
    for name, parts in {"red-cup": ("background", "image", "mask"), "half": ("image",)}.items():
        (tmp_path / name).mkdir()
        for part in parts:
            Image.new("RGB", (8, 6)).save(tmp_path / name / f"{part}.png")
    (found,) = find_examples(tmp_path)
    assert found.title == "Red cup"
    assert found.true_mask == tmp_path / "red-cup" / "mask.png"
    assert found.true_depth is None
    assert 'data-name="red-cup"' in html.example_buttons([found])
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


def test_the_truth_of_an_example_goes_with_its_pictures() -> None:
    example = examples.Example("cup", "Cup", Path("b"), Path("i"), Path("m"), Path("d"))
    files = DroppedFiles("b", "i", "m", "d")
    assert stale_truth(files, [example]) == set()
    for changed in ({"image": "mine"}, {"background": "mine"}):
        assert stale_truth(replace(files, **changed), [example]) == {"true_mask", "true_depth"}
    assert stale_truth(DroppedFiles("b", "mine", "my mask", None), [example]) == set()


def test_an_address_that_cannot_be_listened_on_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError, match=f"127.0.0.1:{port} .*--port"):
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
