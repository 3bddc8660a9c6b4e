"""The report of one run: what was predicted, what was measured, whether they agree, and how to do it again."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .html import Markup, element, join, show, source, table
from .measured import measured
from .page import page
from .predicted import predicted

if TYPE_CHECKING:
    import xarray

    from tokensphere.experiments.emergence import EmergenceMeasurement
    from tokensphere.experiments.verdicts import Verdict
    from tokensphere.studies import Study
    from tokensphere.theory import EmergencePrediction

__all__ = ["render_report", "write_report"]

_MARKS = {"agrees": "✓", "disagrees": "✗", "not applicable": "–"}
_KINDS = {"sa": "self-attention", "usa": "unnormalised self-attention"}
_CAPTIONS = {
    "trajectories": (
        "Where the tokens go. Colours name the cluster in which a token ends, grey the crumbs. On the circle at most "
        "400 tokens are followed and the predicted cluster angles are dashed; in dimension 3 the sphere is mapped at "
        "up to four moments; in higher dimensions the inner products of pairs are counted."
    ),
    "order_parameters": (
        "Order parameters A_k on a logarithmic axis. Solid: measured; dashed: A_k(0) e^{λ_k t}, up to the predicted "
        "exit; dotted: the exit threshold. Vertical lines: measured (solid) and predicted (dashed) exit."
    ),
    "density": (
        "Distribution of the tokens at the moments that matter: of their angles on the circle, relative to the uniform "
        "density (dashed: predicted cluster angles); of the inner products of pairs in higher dimensions (dashed: the "
        "uniform law)."
    ),
    "energy": (
        "Energy and mean squared speed over the phases of the run. Dotted: the energy of the uniform law and of equal "
        "clusters."
    ),
    "radii": "Radii of the tokens under the normalisation scheme: median, 10 to 90 % and all of them.",
}


def render_report(
    study: Study,
    prediction: EmergencePrediction | None,
    seen: EmergenceMeasurement,
    verdicts: Sequence[Verdict],
    run: xarray.Dataset,
    figures: Mapping[str, bytes | Path],
    *,
    command: str | None = None,
) -> str:
    """One self-contained HTML page: no script, no font, no picture or style from outside.

    **Arguments:** `study` of the run; `prediction` (`None`: no theory speaks about this flow); `seen` and `verdicts`
    of the experiment; `run` as opened from its folder; `figures`, PNG bytes or files by name, shown in this order;
    `command` that repeats the run.

    **Returns:** the page. Every text in it is escaped.
    """
    sections = [("verdicts", "Verdicts", _verdicts(verdicts)), ("figures", "Figures", _figures(figures))]
    if prediction is not None:
        sections.append(("predictions", "Predictions", predicted(prediction)))
    sections.append(("measurements", "Measurements", measured(seen)))
    sections.append(("run", "How it was run", _run(study, run)))
    sections.append(("reproduce", "How to reproduce", _reproduce(run, command)))
    return page(f"{study.name} – tokensphere report", _headline(study, prediction, verdicts, run), sections)


def write_report(
    folder: str | Path,
    study: Study,
    prediction: EmergencePrediction | None,
    seen: EmergenceMeasurement,
    verdicts: Sequence[Verdict],
    run: xarray.Dataset,
    figures: Mapping[str, bytes | Path],
    *,
    command: str | None = None,
) -> Path:
    """Write `folder/report.html` whole or not at all, and return its path; arguments of :func:`render_report`."""
    from tokensphere.studies.run import write_text

    path = Path(folder) / "report.html"
    write_text(path, render_report(study, prediction, seen, verdicts, run, figures, command=command))
    return path


def _tag(outcome: str, label: str) -> Markup:
    return element("span", f"{_MARKS.get(outcome, '')} {label}", class_=f"tag {outcome.replace(' ', '-')}")


def _headline(
    study: Study, prediction: EmergencePrediction | None, verdicts: Sequence[Verdict], run: xarray.Dataset
) -> Markup:
    flow, sizes = study.flow, run.sizes
    kind = ("causal " if flow.causal else "") + _KINDS[flow.kind] + (" (shifted)" if flow.shifted else "")
    kind += f" under the scheme {flow.scheme}" if flow.scheme != "post" else ""
    parameters = f"{kind}, β = {show(flow.beta)}, dimension {sizes['component']}, {sizes['token']:,} tokens"
    parameters += f", t = 0 to {show(float(run.time[-1]))}, seed {study.seed}"
    counts: Counter[str] = Counter(verdict.outcome for verdict in verdicts)
    tags = [element("li", _tag(outcome, f"{counts[outcome]} {_plural(outcome, counts)}")) for outcome in _MARKS]
    if counts.get("disagrees"):
        names = ", ".join(verdict.name for verdict in verdicts if verdict.outcome == "disagrees")
        overall = f"Prediction and measurement disagree on: {names}."
    elif counts.get("agrees"):
        overall = "Prediction and measurement agree wherever they can be compared."
    else:
        overall = "Nothing could be compared."
    if prediction is None:
        overall += " No theory of the uniform law speaks about this flow."
    status = run.attrs.get("status", "unknown")
    if status != "complete":
        overall += f" The run is not complete (status: {status})."
    return join(
        [
            element("h1", study.name),
            element("p", parameters, class_="soft"),
            element("ul", *tags, class_="counts"),
            element("p", overall),
        ]
    )


def _plural(outcome: str, counts: Counter[str]) -> str:
    return outcome if outcome == "not applicable" or counts[outcome] == 1 else outcome.removesuffix("s")


def _verdicts(verdicts: Sequence[Verdict]) -> Markup:
    def with_unit(value: Any, unit: str) -> str:
        return show(value) if value is None or not unit else f"{show(value)}\N{NO-BREAK SPACE}{unit}"

    rows = [
        (
            v.name,
            _tag(v.outcome, v.outcome),
            with_unit(v.predicted, v.unit),
            with_unit(v.measured, v.unit),
            with_unit(v.tolerance, v.unit),
            v.sentence,
            source(v.source),
        )
        for v in verdicts
    ]
    columns = ["Claim", "Verdict", "Predicted", "Measured", "Tolerance", "In words", "Source"]
    return table(columns, rows) or element("p", "There are no verdicts.")


def _figures(figures: Mapping[str, bytes | Path]) -> Markup:
    if not figures:
        return element("p", "No figures were made.")
    out = []
    for name, picture in figures.items():
        data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
        caption = _CAPTIONS.get(name, name.replace("_", " "))
        data_uri = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
        image = Markup(element("img", src=data_uri, alt=caption).removesuffix("</img>"))
        out.append(
            element(
                "figure",
                element("div", image, class_="picture", tabindex="0"),
                element("figcaption", caption),
                id=f"figure-{name}",
            )
        )
    return join(out)


def _run(study: Study, run: xarray.Dataset) -> Markup:
    from tokensphere.studies import explain

    attributes = run.attrs
    facts = [
        ("Status", attributes.get("status")),
        ("Study hash", element("code", attributes.get("study_hash", study.hash))),
        ("Seed", attributes.get("seed", study.seed)),
        ("Attention backend", attributes.get("attention")),
        ("Saved frames", attributes.get("n_frames", run.sizes["time"])),
        ("Steps accepted", attributes.get("steps", run.sizes.get("step"))),
        ("Steps rejected", attributes.get("rejected")),
        ("Events (t)", attributes.get("events")),
        ("Versions", attributes.get("versions")),
    ]
    settings = []
    for key, value, default, meaning in explain(study):
        shown, usual = ("–" if text == "None" else text for text in (value, default))
        settings.append((element("code", key), shown if value == default else element("strong", shown), usual, meaning))
    return join(
        [
            table(["Fact", "Value"], facts),
            element("h3", "All settings"),
            table(["Setting", "Value", "Default", "Meaning"], settings),
        ]
    )


def _reproduce(run: xarray.Dataset, command: str | None) -> Markup:
    version = run.attrs.get("versions", {}).get("tokensphere")
    parts = [element("pre", element("code", command))] if command else []
    where = f"tokensphere {version}" if version else "the same version of tokensphere"
    parts.append(
        element(
            "p",
            f"The settings above determine the run: with {where} and the versions listed, on one device, "
            "the stored numbers are the same to the last bit.",
        )
    )
    return join(parts)
