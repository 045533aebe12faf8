"""What is said of a choice that there is not."""

from __future__ import annotations

import pytest

from fiftyone_hs2s.choices import DIRECTIONS, check_choice
from fiftyone_hs2s.errors import HS2SError


def test_the_nearest_choice_is_named():
    message = r"^direction='foward' is unknown: did you mean 'forward'\? Others: backward, both$"
    with pytest.raises(HS2SError, match=message):
        check_choice("direction", "foward", DIRECTIONS)


def test_many_others_are_not_named():
    with pytest.raises(HS2SError, match=r"unknown: did you mean 'name9' or 'name8' or 'name7'\?$"):
        check_choice("name", "name", [f"name{index}" for index in range(20)])


def test_all_are_named_where_none_is_near():
    with pytest.raises(HS2SError, match=r"^direction=3 is unknown: choose one of forward, backward, both$"):
        check_choice("direction", 3, DIRECTIONS)


def test_a_choice_is_given_back():
    assert check_choice("direction", "both", DIRECTIONS) == "both"
