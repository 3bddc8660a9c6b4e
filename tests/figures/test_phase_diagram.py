"""The curve over a phase diagram is that of the tokens in it."""

import numpy as np
import pytest
import xarray as xr

from tokensphere.errors import InputError
from tokensphere.figures.phase_diagram import _crossings, phase_diagram
from tokensphere.studies import Study
from tokensphere.theory import equiangular_layer_time, equiangular_time

BETAS = np.array([1.0, 4.0])


def study(**settings):
    base = {
        "flow.kind": "sa",
        "tokens.n": 32,
        "solve.method": "layer",
        "solve.step_size": 0.1,
        "measure.threshold": 0.999,
    }
    changed = base | {key.replace("__", "."): value for key, value in settings.items()}
    return Study().with_settings(changed).model_dump(mode="json")


def test_the_curve_has_the_number_of_tokens_of_the_map():
    """n = 32 and n = 128 differ by 0.4 at beta = 4: a curve of the wrong one would be seen."""
    (name, layers, _), (_, flow, _) = _crossings(study(), BETAS, 30.0)
    assert name == "equiangular layers, n = 32"
    assert flow[1] == pytest.approx(6.95350, abs=5e-6)
    assert layers[0] == pytest.approx(equiangular_layer_time(0.999, 0.1, 1.0, 32))
    other = _crossings(study(tokens__n=128), BETAS, 30.0)
    assert other[1][1][1] == pytest.approx(6.56955, abs=5e-6)
    assert abs(other[1][1][1] - flow[1]) > 0.38
    assert abs(other[0][1][1] - layers[1]) > 0.3


def test_both_modes_and_flows():
    assert len(_crossings(study(), BETAS, 30.0)) == 2
    ((_, flow, style),) = _crossings(study(solve__method="tsit5"), BETAS, 30.0)
    assert style == "-"
    (_, usa, _) = _crossings(study(flow__kind="usa", solve__method="tsit5"), BETAS, 30.0)[0]
    assert usa[1] == pytest.approx(equiangular_time(0.999, 4.0, 32, "usa"))
    assert usa[1] < flow[1]


@pytest.mark.parametrize(
    "settings", [{"flow__value": "gram"}, {"flow__query_key": "goe"}, {"flow__value": -1.0}, {"flow__causal": True}]
)
def test_no_curve_where_there_is_no_theory(settings):
    assert _crossings(study(**settings), BETAS, 30.0) == []
    assert len(_crossings(study(flow__value=1.0), BETAS, 30.0)) == 2


def test_the_curve_is_that_of_the_scheme():
    rules = study(flow__scheme="pre", tokens__radii=2.0)
    (_, layers, _), (_, flow, _) = _crossings(rules, BETAS, 100.0, "pre")
    assert flow[0] == pytest.approx(equiangular_time(0.999, 1.0, 32, "sa", "pre", radius=2.0))
    assert layers[0] == pytest.approx(equiangular_layer_time(0.999, 0.1, 1.0, 32, "sa", "pre", radius=2.0))
    assert flow[0] > 5 * equiangular_time(0.999, 1.0, 32)
    assert _crossings(study(flow__scheme="ln-scaling", flow__scale_logits=True), BETAS, 30.0, "ln-scaling") == []


def test_a_row_for_every_scheme():
    sizes = {"scheme": 2, "beta": 2, "dim": 1, "time": 3, "member": 4}
    aligned = xr.DataArray(
        np.linspace(0, 1, 48).reshape(tuple(sizes.values())),
        dims=tuple(sizes),
        coords={"scheme": ["post", "pre"], "beta": BETAS, "dim": [16], "time": [0.0, 5.0, 30.0]},
    )
    sweep = xr.Dataset({"aligned": aligned}, attrs={"study": study()})
    figure = phase_diagram(sweep)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:2] == ["dimension d = 16, post", "dimension d = 16, pre"]
    curves = [axes.get_lines()[1].get_xdata() for axes in figure.axes[:2]]
    assert curves[1][0] > 5 * curves[0][0]
    with pytest.raises(InputError, match="not over 'n'"):
        phase_diagram(sweep.expand_dims(n=[16, 32]))
