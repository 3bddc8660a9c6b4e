import dataclasses
import html.parser
import re

import numpy as np
import pytest

from tokensphere import report, studies
from tokensphere.experiments import Verdict

PNG = b"\x89PNG\r\n\x1a\n not really a picture"
EVIL = "<script>alert('x')</script>\"><img src=http://evil.example/a.png onerror=alert(1)>"
VOID = {"meta", "img", "br", "hr"}


class Page(html.parser.HTMLParser):
    """Checks that tags balance, and collects tags, ids, links and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)


def render(case, **changes):
    arguments = {
        "study": case.study,
        "prediction": case.prediction,
        "seen": case.seen,
        "verdicts": case.verdicts,
        "run": case.run,
        "figures": {"trajectories": PNG},
    }
    return report.render_report(**arguments | changes)


@pytest.mark.parametrize(
    "name", ["circle", "sphere", "dim5", "no prediction", "repelling", "three tokens", "two frames"]
)
def test_every_kind_of_run_has_a_valid_page(case, name):
    page = Page(render(case(name)))
    headings = {"Verdicts", "Figures", "Measurements", "How it was run", "How to reproduce"}
    assert headings <= set(page.texts)
    assert ("Predictions" in page.texts) == (case(name).prediction is not None)
    assert not re.search(r"\b(nan|inf|None|np\.float64|array\()", re.sub("None: twice|None for", "", page.text))
    identifiers = [value for key, value in page.attributes if key == "id"]
    assert len(identifiers) == len(set(identifiers))
    assert {value for key, value in page.attributes if key == "href"} <= {f"#{name}" for name in identifiers}


def test_nothing_comes_from_outside(case):
    text = render(case("circle"))
    page = Page(text)
    assert "http://" not in text
    assert "https://" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(value.startswith("data:image/png;base64,") for key, value in page.attributes if key == "src")


def test_the_headline_counts_the_verdicts(case):
    circle = case("circle")
    verdicts = [
        Verdict("first", "agrees", 1.0, 1.0, 0.1, "t", "differ by nothing"),
        Verdict("second", "agrees", 1.0, 1.0, 0.1, "t", "differ by nothing"),
        Verdict("third", "disagrees", 1.0, 2.0, 0.1, "t", "differ by 1"),
    ]
    text = Page(render(circle, verdicts=verdicts)).text
    assert "2 agree" in text
    assert "1 disagrees" in text
    assert "0 not applicable" in text
    assert "disagree on: third" in text
    assert "Nothing could be compared" in Page(render(circle, verdicts=[])).text


def test_every_text_is_escaped(case):
    circle = case("circle")
    study = circle.study.model_copy(update={"name": EVIL})
    verdicts = [
        dataclasses.replace(circle.verdicts[0], name=EVIL, sentence=EVIL, source=EVIL, predicted=EVIL, unit=EVIL)
    ]
    run = circle.run.assign_attrs(status=EVIL, attention=EVIL, events={EVIL: 1.0}, versions={"tokensphere": EVIL})
    clean = Page(render(circle, verdicts=circle.verdicts[:1], command="x"))
    text = render(circle, study=study, verdicts=verdicts, run=run, figures={EVIL: PNG}, command=EVIL)
    page = Page(text)
    assert set(page.tags) == set(clean.tags)
    assert "<script" not in text
    assert {key for key, _ in page.attributes} == {key for key, _ in clean.attributes}
    assert EVIL in page.text


def test_settings_hash_and_command_are_there(case):
    circle = case("circle")
    text = Page(render(circle, command="tokensphere run study.json")).text
    assert "tokensphere run study.json" in text
    assert circle.study.hash in text
    for key, *_ in studies.explain(circle.study):
        assert key in text


def test_an_interrupted_run_says_so(case):
    circle = case("circle")
    running = circle.run.assign_attrs(status="running")
    del running.attrs["steps"], running.attrs["rejected"]
    assert "The run is not complete" in Page(render(circle, run=running)).text


def test_the_page_is_written_whole_with_figures_from_files(case, tmp_path):
    circle, picture = case("circle"), tmp_path / "energy.png"
    picture.write_bytes(PNG)
    path = report.write_report(
        tmp_path, circle.study, circle.prediction, circle.seen, circle.verdicts, circle.run, {"energy": picture}
    )
    assert path == tmp_path / "report.html"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["energy.png", "report.html"]
    assert path.read_text(encoding="utf-8") == render(circle, figures={"energy": PNG})


def test_many_clusters_are_cut_short(case):
    dim5 = case("dim5")
    count = 500
    final = dataclasses.replace(
        dim5.seen.final,
        masses=np.full(count, 1 / count),
        sizes=np.ones(count, dtype=int),
        positions=np.tile(np.eye(5)[0], (count, 1)),
    )
    text = Page(render(dim5, seen=dataclasses.replace(dim5.seen, final=final))).text
    assert "500 groups" in text
    assert "the 20 heaviest are listed, the others have a mass of 0.96" in text
