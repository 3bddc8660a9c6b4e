import numpy as np
import pytest
from experiments.reproduce.judged import none_disagrees, run

from tokensphere.experiments.reproduce import notebook


def test_bands_are_peaks_of_the_histogram():
    rng = np.random.default_rng(0)
    wide = np.concatenate([rng.normal(centre, 0.1, 4000) for centre in (-3.1, -1.0, 1.0)])
    crumbs = rng.uniform(-np.pi, np.pi, 1000)
    found = notebook._bands(np.concatenate([wide, rng.normal(1.0, 0.1, 4000), crumbs]))
    assert len(found) == 3
    np.testing.assert_allclose(np.sort(np.abs(found[:, 0])), [1.0, 1.0, 3.1], atol=0.07)
    assert found[:, 1].sum() == pytest.approx(1.0)
    assert found[:, 1].max() == pytest.approx(0.5, abs=0.04)


def test_the_start_is_one_that_k_max_leads():
    seed, tokens = notebook.start(7.0, 1234)
    assert seed >= 1234
    assert tokens.shape == (20_000, 2)
    assert notebook.start(7.0, seed)[0] == seed


@pytest.mark.slow
def test_particles(monkeypatch):
    monkeypatch.setattr(notebook, "_FIGURES", notebook._FIGURES[1:])
    found = run(notebook.particles)
    none_disagrees(found)
    assert [type(panel).__name__ for panel in found.panels] == ["Image", "Panel"]
    assert found.data["bands_beta7"].shape == (4, 2)
    comparisons = [verdict.name for verdict in found.verdicts if "Euler" in verdict.name]
    assert len(comparisons) == 2
    assert all("comparison" in name for name in comparisons)
