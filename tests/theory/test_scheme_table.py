"""The table of normalisation schemes: its columns against the paths of the equations, and what is refused."""

import json
import math

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.theory import (
    SCHEMES,
    equiangular_invariant,
    equiangular_layer_count,
    equiangular_layers,
    equiangular_path,
    equiangular_time,
    mix_scheme,
    ngpt_scheme,
    predict_schemes,
)

CLOCKS = {"t": lambda t: t, "sqrt(t+1)": lambda t: np.sqrt(t + 1), "log t": np.log}


def table(*args, **options):
    return {row.scheme: row for row in predict_schemes(*args, **options)}


@pytest.mark.parametrize("flow", ["sa", "usa", "usa-shifted"])
def test_every_row_is_the_end_of_its_path(flow):
    """C and the slope give 1 − ρ late on the path itself: where tokens keep radii, through r."""
    for name, row in table(1.3, 12, flow=flow, start=0.1).items():
        late = row.time * np.array([2.0, 2.5])
        path = equiangular_path(late, 1.3, 12, flow, name, start=0.1)
        if SCHEMES[name].law.kind == "power":
            gap = row.constant / path.radius**2
        else:
            gap = row.constant * np.exp(row.slope * CLOCKS[row.against](late))
        np.testing.assert_allclose(np.exp(path.log_gap), gap, rtol=2e-3, err_msg=name)


def test_rates_at_the_start():
    rows = table(5, 256)
    for name in ("post", "pre", "mix", "sqrt", "ln-scaling"):
        assert rows[name].initial_rate == pytest.approx(0.00495770, rel=2e-6)
    for name in ("peri", "ngpt"):
        assert rows[name].initial_rate == pytest.approx(0.01339856, rel=2e-6)
    assert rows["peri"].initial_rate / rows["post"].initial_rate == pytest.approx(2.703, abs=5e-4)
    twice = table(5, 256, ["pre", "post"], radius=2.0)
    assert twice["pre"].initial_rate == pytest.approx(0.00495770 / 2, rel=2e-6)
    assert twice["post"].initial_rate == rows["post"].initial_rate  # it normalises


def test_time_and_layers_reach_the_level():
    for name, row in table(2, 32, step=0.1, level=0.9).items():
        path = equiangular_path(row.time, 2, 32, "sa", name)
        assert path.rho == pytest.approx(0.9, abs=1e-9)
        assert path.radius == pytest.approx(row.radius_then)
        rho = equiangular_layers(row.layers, 0.1, 2, 32, "sa", name)
        assert rho[-2] < 0.9 <= rho[-1]


def test_pre_norm_falls_like_the_square_of_time():
    """The published column t^{−3} is the velocity dρ/dt, not 1 − ρ."""
    path = equiangular_path([1e4, 1e5], 2, 32, "sa", "pre")
    slope = np.diff(path.log_gap)[0] / math.log(10)
    assert slope == pytest.approx(table(2, 32)["pre"].slope, rel=0.01)
    assert abs(slope + 3.0) > 0.9
    rates = [(1 - r) * 2 / g for r, g in zip(path.rho, path.radius, strict=True)]  # dρ/dt → 2(1−ρ)/r
    assert np.diff(np.log(rates))[0] / math.log(10) == pytest.approx(-3.0, rel=0.01)


def test_alpha_that_varies_with_time():
    """nGPT with α(t) is nGPT with α = 1 at the time ∫α."""
    varying = ngpt_scheme(lambda t: 1.0 / (1.0 + t))
    path = equiangular_path([0.5, 3.0], 2, 16, "sa", varying)
    same = equiangular_path(np.log1p([0.5, 3.0]), 2, 16, "sa", "ngpt")
    np.testing.assert_allclose(path.rho, same.rho, atol=1e-10)
    row = predict_schemes(2, 16, [varying], level=0.5)[0]
    assert row.constant is None
    assert row.against == "int alpha"


def test_tokens_at_rest_have_no_end():
    row = predict_schemes(2, 4, ["pre"], start=-1 / 3, step=0.1, dim=2)[0]
    assert math.isinf(row.time)
    assert row.constant is None
    assert row.layers is None
    assert row.hypotheses[0].holds is False
    assert json.loads(json.dumps(row.to_dict()))["time"] is None


def test_refusals():
    with pytest.raises(InputError, match="did you mean 'peri'"):
        predict_schemes(2, 4, ["perri"])
    with pytest.raises(InputError, match="level must be above start"):
        predict_schemes(2, 4, start=0.9, level=0.5)
    with pytest.raises(InputError, match="step must be"):
        predict_schemes(2, 4, step=0.0)


def test_times_beyond_and_near_the_range_of_floats():
    """A slow start takes 1/(2b) ~ e^β/(2β) for tokens that hardly see each other."""
    for beta in (100.0, 400.0, 600.0):
        from_two = math.log(equiangular_time(0.999, beta, 2))
        assert from_two == pytest.approx(beta - math.log(2 * beta), abs=0.02)
    rows = table(20, 8, step=0.1)
    for name in ("pre", "peri", "ln-scaling", "mix"):
        assert math.isinf(rows[name].time)
        assert rows[name].constant is None
        assert rows[name].layers is None
        assert rows[name].log10_constant > 1e6
    assert math.isinf(equiangular_invariant(20.0, 8))
    # where C is a float, both ways of asking agree
    row = table(5, 8)["pre"]
    assert row.log10_constant == pytest.approx(math.log10(equiangular_invariant(5, 8)), rel=1e-12)


def test_mix_that_switches_late():
    """C from log(1 − ρ) at the switch keeps its digits where ρ itself is 1."""
    late = predict_schemes(1.0, 8, [mix_scheme(40.0)])[0]
    path = equiangular_path(40.0, 1.0, 8, "sa", "post")
    assert late.log10_constant == pytest.approx(float(path.log_gap) / math.log(10), rel=1e-6)
    assert table(5, 8, flow="usa")["mix"].constant > 0


def test_paths_that_cannot_be_followed_say_so():
    with pytest.raises(InputError, match="usa-shifted"):
        equiangular_path([1.0], 600.0, 8, "usa")
    for step in (math.nan, -1.0, 0.0):
        with pytest.raises(InputError, match="step must be"):
            equiangular_layers(2, step, 1, 8, scheme="sqrt")
        with pytest.raises(InputError, match="step must be"):
            equiangular_layer_count(0.9, step, 1, 8)
