"""Three processes, whose slices do not come out even, give what one gives."""

import pytest
from parallel.member import POWERS, SUMS
from parallel.teams import run_members

pytestmark = pytest.mark.slow
CASES = ("own", "tangent", "others", "values")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    return run_members("member", 3, tmp_path_factory.mktemp("team"))


def test_all_processes_get_the_same_bits(reports):
    assert len({report["communicator"]["bits"] for report in reports}) == 1


def test_sums_maxima_gatherings(reports):
    for report in reports:
        found = report["communicator"]
        assert found["sum"] < 1e-15
        assert found["gathered"] == [3, 1000]
        assert found["complex"] == [[1, 2], 3.0, 6.0]
        assert found["max"] == 0.0
        assert found["infinite"] == float("-inf")
        assert found["agree"] == [True, False]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", SUMS)
def test_the_sum_of_three_is_that_of_one(reports, name, case):
    """Far rows keep the relative accuracy of a row, beside the direct sum."""
    bound = 1e-7 if name in ("circle, far", "harmonic, far") else 1e-12
    beta = SUMS[name][3]
    log_z, mean = reports[0]["sums"][f"{name}, {case}"]
    assert log_z < max(bound, 1e-15 * beta)
    assert mean < max(bound, 1e-15 * beta)


def test_every_process_can_gather_all_sums(reports):
    assert len({report["sums"]["digest"] for report in reports}) == 1


@pytest.mark.parametrize("name", POWERS)
def test_order_parameters(reports, name):
    assert all(report["powers"][name] < 1e-12 for report in reports)


def test_events_fire_at_the_same_time(reports):
    for report in reports:
        found = report["events"]
        assert found["names"][0] == found["names"][1] == ["all_within", "energy_slope_below", "linear_exit"]
        assert found["times"] < 1e-11
        assert found["tokens"] < 1e-12
        assert found["steps"][0] == found["steps"][1]


@pytest.mark.parametrize("name", ["matrix", "circle"])
def test_value_matrices_and_masses(reports, name):
    assert all(report["events"][name] < 1e-12 for report in reports)


def test_refusals(reports):
    for report in reports:
        few, hidden, compiled = report["refusals"]
        assert "1 tokens cannot be divided over 3 processes" in few
        assert "Hidden attention cannot be shared" in hidden
        assert "cannot be used inside compiled code" in compiled
