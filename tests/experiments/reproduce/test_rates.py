import numpy as np
import pytest
from experiments.reproduce.judged import none_disagrees, outcomes, run
from scipy.special import iv

from tokensphere.experiments.reproduce import rates


@pytest.fixture
def one_beta(monkeypatch):
    monkeypatch.setattr(rates, "_GROWTH_BETAS", (5.0,))


def test_dominant_degrees():
    found = run(rates.dominant_degrees)
    none_disagrees(found)
    assert len(found.verdicts) == 6
    # d = 2, beta = 5 lies between the switches 3.165 and 6.211
    row = found.data["k_max"][0]
    assert row[np.argmin(np.abs(found.data["beta"] - 5.0))] == 3
    np.testing.assert_allclose(found.data["ties"][0][:2], [1.044456862108, 3.165434442701], rtol=1e-12)


def test_a_wrong_normalisation_disagrees(monkeypatch):
    """The published k²I_k/(πβ) shares k_max with the rate, and is not the rate."""
    real = rates.growth_rates
    monkeypatch.setattr(rates, "growth_rates", lambda *a: real(*a) / np.pi)
    monkeypatch.setattr(rates, "_BETAS", np.array([1.0, 5.0, 10.0]))
    found = outcomes(run(rates.dominant_degrees))
    assert found.pop("error of the rates by quadrature, of the largest, SA and USA") == "disagrees"
    assert set(found.values()) == {"agrees"}


def test_growth(one_beta, monkeypatch):
    monkeypatch.setattr(rates, "_IID_SEEDS", 3)
    found = run(rates.growth)
    none_disagrees(found)
    np.testing.assert_allclose(found.data["predicted"][0][2], 18.5960703045, rtol=1e-11)
    np.testing.assert_allclose(found.data["quiet"][0][2], 18.5960703045, rtol=1e-8)
    assert found.data["iid_winner"].tolist() == [3]


def test_growth_under_a_wrong_rate_disagrees(one_beta, monkeypatch):
    real = rates.growth_rates
    monkeypatch.setattr(rates, "growth_rates", lambda *a, **k: real(*a, **k) * 1.001)
    monkeypatch.setattr(rates, "_iid_slopes", lambda beta, predicted, tell: (3, np.array([predicted[2] * 1.04] * 2)))
    found = outcomes(run(rates.growth))
    assert all(found[name] == "disagrees" for name in found if "quiet" in name or "winner" in name)
    assert all(found[name] == "agrees" for name in found if "mixtures" in name)  # within 1 %


def test_time_change(one_beta):
    found = run(rates.time_change)
    none_disagrees(found)
    np.testing.assert_allclose(found.data["z0"], iv(0, 5.0), rtol=1e-13)
    np.testing.assert_allclose(found.data["ratio"], 27.2398718236, rtol=1e-8)
