import math

import numpy as np
import pytest

from tokensphere.report.html import Markup, element, show, source, table, text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (True, "yes"),
        (3, "3"),
        (0.10925232133, "0.109252"),
        (-1.5, "−1.5"),
        (1.25e-11, "1.25·10⁻¹¹"),
        (6e23, "6·10²³"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (np.float64(0.5), "0.5"),
        (np.int64(7), "7"),
        (np.array([1.0, 2.5]), "1, 2.5"),
        ((1.0, None), "1, –"),
        ({"a": 0.25}, "a: 0.25"),
        ([], "–"),
        ("as it is", "as it is"),
    ],
)
def test_values_are_shown_as_a_person_reads_them(value, shown):
    assert show(value) == shown


def test_text_is_escaped_once():
    assert text("<a & 'b'>") == "&lt;a &amp; &#x27;b&#x27;&gt;"
    inner = element("b", "<")
    assert inner == "<b>&lt;</b>"
    assert element("p", inner, class_='"x"', data_label=None) == '<p class="&quot;x&quot;"><b>&lt;</b></p>'


def test_a_table_escapes_cells_and_labels_them():
    out = table(["A", "<B>"], [("x", "<y>"), (Markup("<i>z</i>"), 1.0)])
    assert "&lt;y&gt;" in out
    assert "<i>z</i>" in out
    assert 'data-label="&lt;B&gt;"' in out
    assert table(["A"], []) == ""


def test_papers_are_spelt_out():
    assert source("derived, [2410.23228]") == "derived, arXiv:2410.23228"
    assert source("2606.05140") == "arXiv:2606.05140"
