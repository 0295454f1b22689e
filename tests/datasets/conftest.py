"""What the tests of data sets share."""

import pytest

from depthmask.datasets import depth_labels
from tests.datasets.sources import Rows


@pytest.fixture
def rows_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backgrounds are labelled without the shipped network, which takes a second to load."""
    monkeypatch.setattr(depth_labels, "ShippedTeacher", Rows)
