"""The split: by name, and shots stay together."""

from depthmask.data.split import is_held_out, shot_name, split_by_group


def test_frames_of_a_shot_stay_together() -> None:
    assert shot_name("davis_bear_00012") == "davis_bear"
    assert shot_name("photo_17") == "photo_17"
    assert len({is_held_out(f"davis_bear_{n}", 0.5) for n in range(50)}) == 1
    held_out = [is_held_out(f"photo_{n}", 0.3) for n in range(1000)]
    assert 0.25 < sum(held_out) / 1000 < 0.35


def test_whole_groups_go_to_the_test() -> None:
    names = [f"n{n}" for n in range(100)]
    split = split_by_group(names, [n // 2 * 2 for n in range(100)], 0.2)
    assert split.count("test") == 20
    assert all(split[n] == split[n + 1] for n in range(0, 100, 2))
    assert split_by_group(names, list(range(100)), 0.0) == ["train"] * 100
    assert sorted(split_by_group(["a", "b"], [0, 1], 0.01)) == ["test", "train"]
    assert split_by_group(["a", "b"], [0, 0], 0.5) == ["train", "train"], (
        "one group cannot be split"
    )
