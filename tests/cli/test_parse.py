"""Ranges and settings."""

import pytest

from tokensphere.cli.parse import parse_range, parse_settings
from tokensphere.errors import InputError


def test_ranges():
    assert parse_range("5", "beta") == [5.0]
    assert parse_range("1e4", "beta") == [1e4]
    assert parse_range("1,2,5", "beta") == [1.0, 2.0, 5.0]
    assert parse_range("1:10:19", "beta") == [1 + 0.5 * i for i in range(19)]
    assert parse_range("10:1:4", "beta") == [10.0, 7.0, 4.0, 1.0]


@pytest.mark.parametrize("text", ["", "x", "1:2", "1:2:3:4", "1:2:2.5", "1:2:0", "1:2:-3", "1,,2", "a:b:3"])
def test_bad_ranges(text):
    with pytest.raises(InputError, match="--beta ") as error:
        parse_range(text, "beta")
    assert f"--beta {text}: " in str(error.value)


def test_settings():
    assert parse_settings([]) == {}
    assert parse_settings(
        ["flow.beta=9", "tokens.n = 1e3", "flow.shifted=true", "name=warm", 'tokens.key="9"', "solve.times=[0, 1]"]
    ) == {
        "flow.beta": 9,
        "tokens.n": 1000.0,
        "flow.shifted": True,
        "name": "warm",
        "tokens.key": "9",
        "solve.times": [0, 1],
    }
    assert parse_settings(["tokens.path=/a=b/c.npy", "solve.times=null"]) == {
        "tokens.path": "/a=b/c.npy",
        "solve.times": None,
    }


@pytest.mark.parametrize("text", ["", "flow.beta", "=9", " =9"])
def test_settings_without_a_key_or_a_value(text):
    with pytest.raises(InputError, match="write it as key=value"):
        parse_settings([text])
