"""M15: the item agrees, and its comparisons can fail."""

import numpy as np
import pytest

from tokensphere.experiments.reproduce import ITEMS, matrices


@pytest.mark.slow
def test_query_key_value():
    outcome = ITEMS["M15"].load().run(lambda fraction, text: None)
    assert {v.outcome for v in outcome.verdicts} == {"agrees"}
    np.testing.assert_allclose(outcome.data["growth"], outcome.data["eigenvalues"], rtol=1e-5)


def test_a_wrong_direction_of_rotation_is_seen():
    """The clockwise matrix gives the conjugate of the rate."""
    right = matrices.rotation_rates(5.0, [2], 0.3, -0.5)[0]
    flow = matrices.SelfAttention
    for sign in (1, -1):
        made = flow(5.0, value=matrices._turn(-0.5 * sign, 1.0), query_key=matrices._turn(0.3 * sign, 1.0))
        got = matrices._rate(made, 2, abs(right))
        assert got == pytest.approx(right if sign > 0 else right.conjugate(), rel=1e-6)
        assert abs(right.imag) > 0.1


def test_random_states_grow_as_predicted():
    eigenvalue, growth = matrices._random_case(3)
    assert growth == pytest.approx(eigenvalue, rel=1e-5)
