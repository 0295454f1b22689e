"""The split: by name, and shots stay together."""

from depthmask.data.split import divide, is_held_out, shot_of


def test_frames_of_a_shot_stay_together() -> None:
    assert shot_of("davis_bear_00012") == "davis_bear"
    assert shot_of("photo_17") == "photo_17"
    assert len({is_held_out(f"davis_bear_{n}", 0.5) for n in range(50)}) == 1
    held_out = [is_held_out(f"photo_{n}", 0.3) for n in range(1000)]
    assert 0.25 < sum(held_out) / 1000 < 0.35


def test_whole_groups_go_to_the_test() -> None:
    names = [f"n{n}" for n in range(100)]
    split = divide(names, [n // 2 * 2 for n in range(100)], 0.2)
    assert split.count("test") == 20
    assert all(split[n] == split[n + 1] for n in range(0, 100, 2))
    assert divide(names, list(range(100)), 0.0) == ["train"] * 100
    assert sorted(divide(["a", "b"], [0, 1], 0.01)) == ["test", "train"]
    assert divide(["a", "b"], [0, 0], 0.5) == ["train", "train"], "one group cannot be split"
