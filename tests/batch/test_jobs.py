"""Which pictures a batch has, what belongs to each, and how its results are called."""

import re
from itertools import chain
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image

from depthmask.batch.jobs import (
    Job,
    Scene,
    find_images,
    jobs_by_name,
    jobs_of_list,
    jobs_of_scene,
    name_results,
    shard_of,
)
from depthmask.errors import OptionError


def draw(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6)).save(path)


def test_subfolders_count_and_hidden_files_and_results_do_not(tmp_path: Path) -> None:
    wanted = [tmp_path / "b.png", tmp_path / "sub" / "deep" / "a.jpg"]
    draw(*wanted, tmp_path / ".hidden.png", tmp_path / ".git" / "a.png", tmp_path / "out" / "a.png")
    (tmp_path / "notes.txt").write_text("of that day")
    (tmp_path / "c.jpg.part").write_bytes(wanted[1].read_bytes())
    assert find_images(tmp_path, without=tmp_path / "out") == wanted
    assert tmp_path / "out" / "a.png" in find_images(tmp_path, without=tmp_path / "ou")


def test_names_never_collide() -> None:
    given = ["a.jpg", "a.png", "A.PNG", "a.png.webp", "sub/a.jpg", "sub:/a.jpg", "con.jpg", "é.jpg"]
    given += ["e\u0301.png", "a.jpg", "x.tar.gz.jpg"]
    names = name_results(map(PurePosixPath, given))
    assert names[:2] == ["a", "a.png"] and names[4] == "sub/a" and names[-1] == "x.tar.gz"
    assert names[7:9] == ["é", "e\u0301.png"], "one name to some disks"
    assert len({name.casefold() for name in names}) == len(given)
    assert names[6] == "con_" and names[5] == "sub_/a"
    assert name_results([PurePosixPath("a.jpg")], taken=["A"]) == ["a.jpg"]


def test_pairs_by_name(tmp_path: Path) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    draw(empty / "a.png", empty / "sub" / "b.png", empty / "c.jpg", empty / "c.png")
    draw(full / "a.jpg", full / "sub" / "b.png", full / "c.png", full / "d.png")
    a, c, d, b = jobs_by_name(empty, full, out=tmp_path / "out")
    assert a.scene.photos == (empty / "a.png",) and a.name == "a"
    assert b.scene.photos == (empty / "sub" / "b.png",) and b.name == "sub/b"
    assert "more than one background (c.jpg, c.png) of the name c" in c.trouble
    assert "holds no background of the name d" in d.trouble and not a.trouble
    with pytest.raises(OptionError, match="give both of a pair one name"):
        jobs_by_name(tmp_path / "empty" / "sub", full / "sub" / "..", out=tmp_path / "out")


@pytest.mark.parametrize(("before", "delimiter"), [("", ","), ("\ufeff", ";"), ("", "\t")])
def test_a_list_of_pairs(tmp_path: Path, before: str, delimiter: str) -> None:
    draw(*(tmp_path / "room" / f"{number}.png" for number in range(3)))
    rows = [("Image", "Background", "name"), ("x/1.jpg", "room", ""), ("1.jpg", "b.png", "one")]
    rows += [("../y/1.jpg", "nothing here", ""), (str(tmp_path / "z" / "1.jpg"), "b.png", "")]
    path = tmp_path / "pairs.csv"
    text = before + "\r\n".join(delimiter.join(row) for row in rows)
    path.write_text(text + "\r\n", "utf-8", newline="")
    jobs = jobs_of_list(path, tmp_path, tmp_path)
    assert [job.name for job in jobs] == ["x/1", "one", "1", "1.jpg"]
    assert jobs[0].image == tmp_path / "x" / "1.jpg" and len(jobs[0].scene.photos) == 3
    assert jobs[1].scene.photos == (tmp_path / "b.png",)
    assert jobs[1].scene == jobs[3].scene and jobs[3].image == tmp_path / "z" / "1.jpg"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must name the columns background and image"),
        ("a.png,b.png\n", "must name the columns background and image"),
        ("background,image\na.png\n", "line 2: the background or the image is missing"),
        ("background,image\na.png, \n", "line 2: the background or the image is missing"),
        ("background,image,name\na,b,../c\n", "line 2: '../c' cannot be the name of a file"),
        ("background,image,name\na,b,c\nd,e,C\n", "has the name c twice"),
        ("background,image\na,b\0\n", "line 2: a name cannot hold a 0 byte|is no CSV file"),
        ("background,image\né,b\n".encode("latin-1"), "no text in UTF-8"),
    ],
)
def test_what_is_no_list_of_pairs(tmp_path: Path, text: str | bytes, words: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(OptionError, match=words) as found:
        jobs_of_list(path, tmp_path, tmp_path)
    assert re.search(re.escape(str(path)), str(found.value))


def test_a_folder_without_photos_is_the_trouble_of_its_pairs_alone(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "pairs.csv").write_text("background,image\nnone,a.jpg\nb.jpg,c.jpg\n")
    first, second = jobs_of_list(tmp_path / "pairs.csv", tmp_path, tmp_path)
    assert "holds no picture" in first.trouble and not second.trouble


def test_each_job_is_of_one_part_wherever_it_stands() -> None:
    scene = Scene("b.jpg", (Path("b.jpg"),))
    paths = [Path("in") / f"{number}.jpg" for number in range(40)]
    jobs = jobs_of_scene(scene, Path("in"), paths)
    parts: list[list[Job]] = [shard_of(jobs, (part, 3)) for part in (1, 2, 3)]
    assert all(parts) and sorted(chain(*parts), key=jobs.index) == jobs
    assert shard_of(jobs[::-2], (2, 3)) == [job for job in jobs[::-2] if job in parts[1]]
