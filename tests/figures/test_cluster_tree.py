"""The figure of a cluster tree: branches, colours and levels; many tokens are cut down."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.figures import cluster_tree, png_bytes
from tokensphere.observe import ClusterTree


def test_tree_over_staircase():
    run = ts.solve.coarsen(ts.SelfAttention(40.0), ts.sphere.from_angles([0.0, 1.0, 2.2, 3.6]))
    figure = cluster_tree(ts.observe.cluster_tree(run), run)
    tree, energy = figure.axes
    assert len(tree.lines) == 7 + 6  # a branch a node, and a join for each child
    widths = [line.get_linewidth() for line in tree.lines]
    assert max(widths) - min(widths) == pytest.approx(6.0 * 0.75)
    assert {float(t.get_text()) for t in tree.texts} == {0.25}
    assert energy.get_ylim()[0] == 0.0
    levels = sorted({round(float(line.get_ydata()[0]), 3) for line in energy.lines[1:]})
    assert levels == [0.25, 0.375, 0.5, 1.0]
    assert "28.59" in figure.get_suptitle()
    assert png_bytes(figure)[:4] == b"\x89PNG"


def test_many_tokens_begin_with_the_last_sixty_clusters():
    n = 200
    children = [[0, 1]] + [[n + m, m + 2] for m in range(n - 2)]
    tree = ClusterTree(np.full(n, 1 / n), np.array(children), np.linspace(0.0, 9.0, n - 1), 9.0)
    figure = cluster_tree(tree)
    assert len(figure.axes) == 1
    assert len(figure.axes[0].lines) == 60 + 59 + 118
    assert figure.get_suptitle().startswith("60 clusters become one cluster")


def test_no_merger_at_all():
    tree = ClusterTree(np.full(2, 0.5), np.empty((0, 2), dtype=int), np.empty(0), 3.0)
    assert "2 clusters become 2 clusters" in cluster_tree(tree).get_suptitle()
