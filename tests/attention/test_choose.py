import pytest

from tokensphere.attention import BACKENDS, Circle, Dense, choose, circle_modes
from tokensphere.errors import InputError


def test_many_tokens_on_the_circle_use_the_fourier_sum():
    choice = choose(20_000, 2, beta=5.0)
    assert choice.name == "circle"
    assert isinstance(choice.attention, Circle)
    assert f"{circle_modes(5.0)} modes" in choice.explain()
    assert "4e+08 pairs" in choice.explain()


def test_few_tokens_are_summed_directly():
    choice = choose(50, 2, beta=5.0)
    assert choice.name == "dense"
    assert choice.reasons[0].startswith("direct sum")


def test_one_switch_as_the_number_of_tokens_grows():
    names = [choose(2**k, 2, beta=5.0).name for k in range(20)]
    assert names == sorted(names, reverse=True)
    assert set(names) == {"circle", "dense"} <= set(BACKENDS)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"dim": 16}, "dim is 16"),
        ({"dim": 2, "isotropic": False, "beta": 100.0}, "multiple of the identity"),
        ({"dim": 2, "differentiable": True}, "differentiable"),
        ({"dim": 2, "beta": 1e12}, "beta is 1e\\+12"),
    ],
)
def test_obstacles_are_the_first_reason_and_forbid_the_overruling(options, reason):
    choice = choose(20_000, **options)
    assert isinstance(choice.attention, Dense)
    with pytest.raises(InputError, match=reason):
        choose(20_000, **options, prefer="circle")
    assert choice.explain().startswith("dense: ")
    assert reason.replace("\\", "") in choice.reasons[0]


def test_overruling():
    assert choose(20_000, 2, prefer="dense").name == "dense"
    choice = choose(3, 2, prefer="circle")
    assert isinstance(choice.attention, Circle)
    assert choice.reasons == ("asked for by name",)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: choose(10, 2, prefer="dens"), "did you mean 'dense'"),
        (lambda: choose(0, 2), "n must be"),
        (lambda: choose(10, 1), "dim must be"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
