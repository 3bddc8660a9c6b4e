"""Trees: numbering, masses, levels, exports, and the same tree from a coarsened and from a saved run."""

import math

import numpy as np
import pytest
from scipy.cluster import hierarchy

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.observe import ClusterTree, cluster_tree
from tokensphere.sphere import from_angles

TREE = ClusterTree(
    np.array([0.1, 0.2, 0.3, 0.4]),
    np.array([[0, 1], [4, 2]]),
    np.array([1.0, 3.0]),
    5.0,
)


def test_masses_parents_and_counts():
    np.testing.assert_allclose(TREE.masses, [0.1, 0.2, 0.3, 0.4, 0.3, 0.6])
    assert TREE.parents.tolist() == [4, 4, 5, -1, 5, -1]
    assert TREE.roots.tolist() == [5, 3]
    times, numbers = TREE.counts()
    assert times.tolist() == [-math.inf, 1.0, 3.0]
    assert numbers.tolist() == [4, 3, 2]
    np.testing.assert_allclose(TREE.levels(), [0.3, 0.09 + 0.09 + 0.16, 0.36 + 0.16])
    assert TREE.at(0.0).tolist() == [0, 1, 2, 3]
    assert TREE.at(1.0).tolist() == [2, 3, 4]
    assert TREE.labels(2.0).tolist() == [4, 4, 2, 3]
    assert TREE.labels(9.0).tolist() == [5, 5, 5, 3]


def test_later_tree():
    later = TREE.since(2.0)
    np.testing.assert_allclose(later.leaves, [0.3, 0.4, 0.3])
    assert later.children.tolist() == [[2, 0]]
    np.testing.assert_allclose(sorted(later.masses[later.roots]), [0.4, 0.6])


def test_exports():
    assert TREE.newick() == "(((0:1,1:1):2,2:3):2,3:5);"
    linkage = TREE.linkage()
    assert hierarchy.is_valid_linkage(linkage)
    assert hierarchy.leaves_list(linkage).size == 4
    assert linkage[-1].tolist() == [5.0, 3.0, 6.0, 4.0]  # what is left at the end is joined a decade later
    assert sorted(TREE.order().tolist()) == [0, 1, 2, 3]
    assert TREE.order().tolist().index(3) in (0, 3)  # the other root stands aside


@pytest.fixture(scope="module")
def both():
    tokens = from_angles([0.06, 0.21, 1.82, 2.91, 3.19])
    flow = ts.SelfAttention(4.0)
    times = np.concatenate([[0.0], np.linspace(0.02, 12.0, 600)])
    plain = ts.simulate(flow, tokens, times, rtol=1e-9)
    return ts.solve.coarsen(flow, tokens, times=[12.0], merge_angle=0.005), plain


def test_a_saved_run_gives_the_tree_of_the_coarsened_one(both):
    ours, theirs = cluster_tree(both[0]), cluster_tree(both[1], angle=0.005)
    assert len(ours.children) == 3
    assert [set(pair) for pair in ours.children.tolist()] == [set(pair) for pair in theirs.children.tolist()]
    # A cluster is joined through its nearest token, up to 0.005 before its mean is that near; then the saved times.
    np.testing.assert_allclose(10**theirs.log10_times, 10**ours.log10_times, atol=0.025)
    assert theirs.splits == 0


def test_levels_are_the_energies_of_the_plateaus():
    run = ts.solve.coarsen(ts.SelfAttention(40.0), from_angles([0.0, 1.0, 2.2, 3.6]), weights=[0.1, 0.2, 0.3, 0.4])
    tree = cluster_tree(run)
    lowest = [run.step_energy.values[run.step_clusters.values == k].min() for k in (4, 3, 2, 1)]
    np.testing.assert_allclose(tree.levels(), lowest, atol=1e-6)


def test_splits_are_counted_and_three_at_once_make_two_mergers():
    frames = np.stack([from_angles(a) for a in ([0, 1, 2], [0, 0.01, 0.02], [0, 1, 1.01])])
    tree = cluster_tree(times=[0.0, 10.0, 100.0], tokens=frames, angle=0.1)
    assert tree.children.tolist() == [[0, 1], [3, 2]]
    assert tree.log10_times.tolist() == [1.0, 1.0]
    assert tree.splits == 1
    assert tree.counts()[1].tolist() == [3, 1]


def test_bad_input_is_named(both):
    with pytest.raises(InputError, match="angle"):
        cluster_tree(both[1])
    with pytest.raises(InputError, match="shape"):
        cluster_tree(times=[0.0, 1.0], tokens=np.zeros((3, 2, 2)), angle=0.1)
