"""Packed data: what goes in comes out, nearly; what is not packed data is refused."""

import json
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from depthmask.data.codec import (
    block_dct,
    compress,
    decompress,
    inverse_block_dct,
    jpeg_damage,
    rgb_from_ycbcr,
    ycbcr_from_rgb,
)
from depthmask.data.packfile import (
    bytes_from_ratio,
    in_parts,
    ratio_from_bytes,
    read_pack,
    write_pack,
)
from depthmask.errors import PackError
from tests.data import packs


def smooth(count: int, side: int) -> torch.Tensor:
    torch.manual_seed(0)
    coarse = torch.rand(count, 1, 6, 6)
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")[:, 0]


def test_the_transform_undoes_itself() -> None:
    pictures = torch.rand(2, 3, 16, 24)
    torch.testing.assert_close(inverse_block_dct(block_dct(pictures)), pictures)
    assert block_dct(pictures).square().sum().item() == pytest.approx(
        pictures.square().sum().item(), rel=1e-4
    )


def test_planes_survive_and_shrink() -> None:
    planes = (smooth(20, 64) * 255).to(torch.uint8)
    data = compress(planes, 8)
    found = decompress(data, 20, 64, 8)
    assert (found.float() - planes.float()).abs().mean() < 2
    assert len(data) < planes.numel() / 8


def test_many_planes_are_each_their_own() -> None:
    levels = torch.arange(0, 252, 7, dtype=torch.uint8)  # 36, more than are decoded at once
    planes = levels[:, None, None].expand(-1, 16, 16)
    back = decompress(compress(planes, 8.0), len(planes), 16, 8.0)
    assert (back.int() - planes.int()).abs().amax() <= 1


def test_a_function_of_parts_is_that_of_the_whole() -> None:
    pictures = torch.arange(36.0).view(36, 1, 1, 1).expand(36, 2, 4, 4)
    others = pictures.flip(0)

    def shrunk(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return one[:, :1, ::2, ::2] + 100 * other[:, 1:, ::2, ::2]

    assert torch.equal(in_parts(shrunk, pictures, others), shrunk(pictures, others))


def test_black_and_white_survive() -> None:
    planes = torch.zeros(2, 16, 16, dtype=torch.uint8)
    planes[1] = 255
    assert (decompress(compress(planes, 8), 2, 16, 8).int() - planes.int()).abs().max() <= 1


def test_jpeg_damage_grows_with_the_step() -> None:
    pictures = smooth(3, 30).expand(3, 3, 30, 30)
    damage = [
        (jpeg_damage(pictures, torch.full((3,), step)) - pictures).abs().mean().item()
        for step in (0.01, 5.0, 60.0)
    ]
    assert damage[0] < 1e-3 < damage[1] < damage[2]


def test_jpeg_damages_colour_more_than_brightness() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = (torch.rand(8, 3, 32, 32, generator=generator) - 0.5) * 0.1
    pictures = rgb_from_ycbcr(noise + 0.5)
    damaged = ycbcr_from_rgb(jpeg_damage(pictures, torch.full((8,), 2.0)))
    luma, blue, red = (damaged - ycbcr_from_rgb(pictures)).std(dim=(0, 2, 3))
    assert blue > 1.3 * luma and red > 1.3 * luma


def test_a_pack_keeps_names_shapes_and_pictures(tmp_path: Path) -> None:
    pictures = packs.make_pictures()
    path = packs.write(tmp_path / "pack.safetensors")
    found = read_pack(path)
    for name, written in pictures.items():
        assert tuple(found[name].names) == tuple(written.names)
        torch.testing.assert_close(found[name].aspect, written.aspect)
        difference = found[name].pixels.float() - written.pixels.float()
        assert difference.abs().mean() < 5
    labels, true_labels = found["backgrounds"].labels, pictures["backgrounds"].labels
    assert labels is not None and true_labels is not None
    assert (labels.float() - true_labels.float()).abs().max() <= 3
    assert not list(tmp_path.glob("*.tmp"))


def test_the_same_pictures_make_the_same_file(tmp_path: Path) -> None:
    first = packs.write(tmp_path / "0.safetensors").read_bytes()
    others = [packs.write(tmp_path / f"{n}.safetensors").read_bytes() for n in range(1, 12)]
    assert all(other == first for other in others)  # by chance, one time in 2,048


def test_alpha_is_clean_where_it_was_clean(tmp_path: Path) -> None:
    alpha = read_pack(packs.write(tmp_path / "p"))["foregrounds"].pixels[:, 3]
    assert (alpha[:, 0] == 0).all(), "no veil outside"
    assert (alpha[:, packs.SIDE // 2, packs.SIDE // 2] == 255).all(), "no holes inside"


def test_labels_keep_a_hundredth() -> None:
    ratio = torch.linspace(-0.2, 2.2, 50)
    torch.testing.assert_close(ratio_from_bytes(bytes_from_ratio(ratio)), ratio, atol=0.006, rtol=0)


def test_what_is_no_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="no packed data"):
        read_pack(tmp_path / "missing")
    text = tmp_path / "text"
    text.write_text("hello")
    with pytest.raises(PackError, match="not packed data"):
        read_pack(text)
    truncated = tmp_path / "truncated"
    truncated.write_bytes(packs.write(tmp_path / "whole").read_bytes()[:2000])
    with pytest.raises(PackError, match="damaged"):
        read_pack(truncated)


def test_a_bit_that_flipped_is_said(tmp_path: Path) -> None:
    """Anywhere in the pictures: it is read, with a fault nobody sees, or it is refused."""
    path = packs.write(tmp_path / "p")
    content = path.read_bytes()
    refused = 0
    for place in range(len(content) // 3, len(content), len(content) // 20):
        path.write_bytes(content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :])
        try:
            read_pack(path)
        except PackError as error:
            refused += "damaged; pack it again" in str(error)
    assert refused > 0


def test_coarser_packs_are_smaller(tmp_path: Path) -> None:
    sizes = [write_pack(tmp_path / "p", packs.make_pictures(), step=step) for step in (8, 34)]
    assert sizes[0] > sizes[1]


def rewrite(path: Path, change: Callable[[dict[str, Any], dict[str, torch.Tensor]], None]) -> None:
    """Changes the header or the tensors of a pack."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    header = json.loads(metadata["depthmask_pack"])
    change(header, tensors)
    save_file(tensors, path, metadata | {"depthmask_pack": json.dumps(header)})


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("foregrounds", "names", None),
        ("foregrounds", "names", []),
        ("foregrounds", "names", [1, 2]),
        ("foregrounds", "names", ["a"] * 10**5),  # 10^5 pictures in a file of kilobytes
        ("foregrounds", "side", 10**9),
        ("foregrounds", "side", 24),
        ("foregrounds", "channels", 3),
        ("backgrounds", "channels", "3"),
        ("backgrounds", "label_side", None),
        ("backgrounds", "label_side", 33),
    ],
)
def test_a_header_is_checked_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, field: str, value: object
) -> None:
    path = packs.write(tmp_path / "p")
    rewrite(path, lambda header, tensors: header[part].update({field: value}))
    monkeypatch.setattr("depthmask.data.packfile.decompress", None)
    with pytest.raises(PackError, match=r"is damaged \(.*\); pack it again"):
        read_pack(path)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("foregrounds.aspect", torch.ones(2)),
        ("foregrounds.aspect", torch.full((len(packs.OBJECTS),), float("nan"))),
        ("foregrounds.aspect", torch.zeros(len(packs.OBJECTS))),
        ("foregrounds.0.luma", torch.zeros(9)),
        ("foregrounds.0.luma", torch.zeros(3, 3, dtype=torch.uint8)),
        ("foregrounds.0.luma", None),
    ],
)
def test_tensors_of_other_kinds_are_refused(
    tmp_path: Path, name: str, values: torch.Tensor | None
) -> None:
    path = packs.write(tmp_path / "p")

    def change(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        tensors.pop(name)
        if values is not None:
            tensors[name] = values

    rewrite(path, change)
    with pytest.raises(PackError, match="is damaged; pack it again"):
        read_pack(path)


def test_no_more_is_unpacked_than_the_planes_need() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 1}]
    bomb = lzma.compress(bytes(10**8), lzma.FORMAT_RAW, filters=filters)
    tracemalloc.start()
    with pytest.raises(ValueError, match="2 planes of 16 pixels"):
        decompress(bomb, 2, 16, 8)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()
