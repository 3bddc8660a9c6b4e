"""Times and winners of independent tokens: phases (M4), the law of the race at finite n (M5), positions (M12).

exit = min_k ln(δ/A_k(0))/λ_k,      T1: max_k A_k ≥ 0.1,   T2: ≥ 0.5,   T3: speed² below 1 % of its peak
                                                                              [2410.23228; derived]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tokensphere.attention import Dense
from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, not_applicable
from tokensphere.flows import UnnormalizedSelfAttention
from tokensphere.observe import Phases, clusters, phases, winning_degree
from tokensphere.solve import Event, Moment, simulate
from tokensphere.sphere import uniform
from tokensphere.theory import ExitLaw, RaceResult, exit_law, growth_rates, race

from .following import History, all_hold, at_most, follow, order_at

__all__ = ["phase_durations", "positions", "winner_law"]

_TOP = 8  # degrees that are followed
_TOPS = {2: 8, 3: 8, 4: 2}  # by dimension in M4: beyond d = 3, degrees above 2 cost O(n²) and are late at β = 2
_STEP = 0.4  # of 1/λ_max, for the linear phase

# M4: (β, dim, n, seeds). Fewer than the 200 seeds and the full product of β and dim of the published plan: a minute.
_PHASES = (
    (2.0, 2, 500, 12),
    (2.0, 2, 2000, 12),
    (2.0, 2, 8000, 6),
    (5.0, 2, 500, 24),
    (5.0, 2, 2000, 24),
    (5.0, 2, 8000, 16),
    (5.0, 2, 32_000, 8),
    (7.0, 2, 500, 12),
    (7.0, 2, 2000, 12),
    (7.0, 2, 8000, 6),
    (5.0, 3, 500, 6),
    (5.0, 3, 2000, 6),
    (2.0, 4, 500, 8),
    (2.0, 4, 2000, 8),
)
_EXIT, _RACE_FROM, _RACE_ERROR = 0.1, 2000, 0.1
# In 1/λ_max: a step, how long after the exit, how much longer if clusters have not formed, how long at most.
_FINE_STEP, _LATER, _MORE, _LATEST = 0.25, 6.0, 2.0, 60.0
_MERGED, _CRUMB, _MERGER_SEEDS, _MERGER_END = 0.1, 0.02, 4, 200.0  # radians; mass; seeds a setting; in 1/λ_max

# M5: (β, n, seeds). The published plan goes to n = 10⁶, at 10 s a run.
_LAW = ((2.0, 2000, 100), (5.0, 500, 100), (5.0, 2000, 160), (5.0, 20_000, 40), (7.0, 2000, 100), (9.0, 2000, 100))
_LAW_EXIT, _LAW_FROM, _LEAST_P, _LEAST_SHARE, _SHARE_AT = 0.3, 2000, 1e-3, 0.75, 2000

# M12: n, seeds, and the largest median shift in radians.
_POSITIONS = ((2000, 100, 0.06), (20_000, 40, 0.04))


def _linear_phase(beta: float, n: int, seed: int, threshold: float) -> tuple[History, RaceResult]:
    """A run on the circle until a degree has passed the threshold, and the race of its start."""
    rates = growth_rates(beta, 2, range(1, _TOP + 1), "usa")
    tokens = uniform(n, 2, seed)
    predicted = race(np.abs(order_at(tokens, _TOP)), range(1, _TOP + 1), rates, threshold)
    folds = predicted.exit_time * rates.max()
    history = follow(beta, tokens, folds, _STEP, _TOP)
    while history.order.max() < threshold:
        folds += _STEP
        history = follow(beta, tokens, folds, _STEP, _TOP, history)
    return history, predicted


def winner_law(progress: Progress) -> Outcome:
    """M5: which degree reaches 0.3 first, over many starts, against the law of the race and the race of each start."""
    verdicts: list[Verdict] = []
    panels: list[Panel] = []
    data: dict[str, np.ndarray] = {}
    total, done = sum(seeds * n**0.5 for _, n, seeds in _LAW), 0.0
    for beta, n, seeds in _LAW:
        law = exit_law(beta, 2, n, _LAW_EXIT, "usa")
        found, raced, times = (np.zeros(seeds) for _ in range(3))
        for seed in range(seeds):
            progress(done / total, f"beta {beta:g}, n = {n:,}, seed {seed}")
            history, predicted = _linear_phase(beta, n, seed, _LAW_EXIT)
            seen = winning_degree(history.times, history.order, history.degrees, _LAW_EXIT)
            found[seed], times[seed], raced[seed] = seen.degree or 0, seen.time or np.nan, predicted.winner or 0
            done += n**0.5
        name = f"beta = {beta:g}, n = {n:,}"
        verdicts.append(_histogram_verdict(name, found, law, applies=n >= _LAW_FROM))
        if n == _SHARE_AT:
            share = float(np.mean(found == raced))
            outcome = "agrees" if share >= _LEAST_SHARE else "disagrees"
            sentence = (
                f"the race of its start names the winner of {share:.0%} of {seeds} runs, {_LEAST_SHARE:.0%} asked"
            )
            claim = f"winner of each run, {name}"
            verdicts.append(Verdict(claim, outcome, f">= {_LEAST_SHARE:g}", share, None, "", sentence))  # type: ignore[arg-type]
        shown = np.arange(1, 7)
        counts = np.array([np.mean(found == k) for k in shown])
        spread = np.sqrt(counts * (1.0 - counts) / seeds)
        expected = np.array([law.probability(int(k)) for k in shown])
        panels.append(
            Panel(
                f"{name}, {seeds} starts",
                "degree k that reaches 0.3 first",
                "fraction of starts",
                (
                    Curve("measured", shown, counts, "bars", low=counts - spread, high=counts + spread),
                    Curve("law of the race", shown, expected, "bars", predicted=True),
                ),
            )
        )
        tag = f"beta{beta:g}_n{n}"
        data |= {f"winner_{tag}": found, f"raced_{tag}": raced, f"time_{tag}": times}
    return Outcome(tuple(verdicts), tuple(panels), data)


def _histogram_verdict(name: str, found: np.ndarray, law: ExitLaw, *, applies: bool) -> Verdict:
    """χ² test of the winners against the law; degrees with fewer than 5 expected winners count together."""
    from scipy.stats import chisquare

    seeds = len(found)
    chance = {int(k): law.probability(int(k)) for k in law.degrees}
    large = [k for k, p in chance.items() if p * seeds >= 5.0]
    observed = [int((found == k).sum()) for k in large]
    expected = [seeds * chance[k] for k in large]
    rest = seeds - sum(expected)
    if rest >= 5.0:
        observed.append(seeds - sum(observed))
        expected.append(rest)
    else:  # the few others join the rarest of the large
        rarest = int(np.argmin(expected))
        observed[rarest] += seeds - sum(observed)
        expected[rarest] += rest
    p = float(chisquare(observed, expected).pvalue)
    claim = f"histogram of winners, {name}"
    shown = ", ".join(f"{k}: {seeds * chance[k]:.1f} expected, {int((found == k).sum())} seen" for k in large)
    if not applies:
        return not_applicable(claim, f"the law is asked for n >= {_LAW_FROM:,} (p = {p:.2g}; {shown})", measured=p)
    sentence = f"chi squared p = {p:.2g} ({shown})"
    outcome = "agrees" if p > _LEAST_P else "disagrees"
    return Verdict(claim, outcome, f"p > {_LEAST_P:g}", p, None, "", sentence)  # type: ignore[arg-type]


def positions(progress: Progress) -> Outcome:
    """M12: how far the phase of the winning degree 3 moves before the exit at 0.3, so that clusters stand where the
    first moment says."""
    verdicts: list[Verdict] = []
    curves: list[Curve] = []
    data: dict[str, np.ndarray] = {}
    medians: list[float] = []
    total, done = sum(seeds * n**0.5 for n, seeds, _ in _POSITIONS), 0.0
    for n, seeds, limit in _POSITIONS:
        shifts = []
        for seed in range(seeds):
            progress(done / total, f"n = {n:,}, seed {seed}")
            done += n**0.5
            history, _ = _linear_phase(5.0, n, seed, _LAW_EXIT)
            seen = winning_degree(history.times, history.order, history.degrees, _LAW_EXIT)
            if seen.degree == 3 and seen.time is not None:
                turned = np.unwrap(np.angle(history.moments[:, 2] / history.moments[0, 2]))
                shifts.append(abs(float(np.interp(seen.time, history.times, turned))) / 3.0)
        found = np.sort(np.array(shifts))
        medians.append(float(np.median(found)))
        name = f"median shift of the positions, n = {n:,}, {len(found)} starts won by 3 of {seeds}"
        verdicts.append(at_most(name, medians[-1], limit, unit="rad", source="2410.23228"))
        curves.append(Curve(f"n = {n:,}", found, (np.arange(len(found)) + 0.5) / len(found)))
        data[f"shift_n{n}"] = found
    verdicts.append(
        all_hold("the median shrinks with n", len(medians) - 1, int(np.sum(np.diff(medians) < 0)), "steps of n")
    )
    panel = Panel(
        r"$|\arg\hat\mu_3(\mathrm{exit}) - \arg\hat\mu_3(0)|/3$ over starts that degree 3 wins, $\beta$ = 5",
        "shift of the cluster positions before the exit (rad)",
        "fraction of starts below",
        tuple(curves),
    )
    return Outcome(tuple(verdicts), (panel,), data)


@dataclass(frozen=True)
class _Setting:
    """What one setting of M4 gave, times in 1/λ_max, one entry a seed: `race` of the start and the phase times."""

    beta: float
    dim: int
    n: int
    rate: float
    race: np.ndarray
    exit: np.ndarray
    second: np.ndarray
    formed: np.ndarray
    merger: np.ndarray

    @property
    def name(self) -> str:
        return f"beta = {self.beta:g}, d = {self.dim}"


def phase_durations(progress: Progress) -> Outcome:
    """M4: T1 against the race of each start and the law over starts; T2 − T1 and T3 − T1 against ln n."""
    found = list(_settings(progress))
    verdicts: list[Verdict] = []
    for s in found:
        deviation = float(np.mean(np.abs(s.exit - s.race)))
        claim = f"mean |T1 - race| lambda_max, {s.name}, n = {s.n:,}, {len(s.exit)} seeds"
        if s.n >= _RACE_FROM:
            verdicts.append(at_most(claim, deviation, _RACE_ERROR))
        else:
            verdicts.append(not_applicable(claim, f"asked for n >= {_RACE_FROM:,}", measured=deviation))
    groups = {name: [s for s in found if s.name == name] for name in dict.fromkeys(s.name for s in found)}
    for name, group in groups.items():
        if group[0].dim == 2:
            verdicts += [_flat(f"T{k} - T1 against ln n, {name}", group, k) for k in (2, 3)]
    known = groups["beta = 5, d = 2"]
    middle, twice = _mean_and_error(np.concatenate([s.formed - s.exit for s in known]) / known[0].rate)
    claim = "mean T3 - T1, beta = 5, d = 2, all n (known value 0.37, standard error 0.03; within three of both)"
    verdicts.append(compare(claim, 0.37, middle, 3.0 * float(np.hypot(0.03, 0.5 * twice)), unit="time"))
    return Outcome(tuple(verdicts), _phase_panels(groups), _phase_data(found))


def _settings(progress: Progress) -> Iterator[_Setting]:
    total, done = sum(seeds * n**0.5 for _, _, n, seeds in _PHASES), 0.0
    for beta, dim, n, seeds in _PHASES:
        top = _TOPS[dim]
        rates = growth_rates(beta, dim, range(1, top + 1), "usa")
        rate, rows = float(rates.max()), []
        for seed in range(seeds):
            progress(done / total, f"beta {beta:g}, d = {dim}, n = {n:,}, seed {seed}")
            done += n**0.5
            tokens = uniform(n, dim, seed)
            predicted = race(np.abs(order_at(tokens, top)), range(1, top + 1), rates, _EXIT)
            history, seen = _until_formed(beta, tokens, predicted.exit_time * rate + _LATER)
            merger = np.nan
            if dim == 2 and seed < _MERGER_SEEDS and seen.clusters_formed is not None:
                merger = rate * _first_merger(beta, history, rate)
            times = [seen.linear_exit, seen.quasi_linear_exit, seen.clusters_formed]
            rows.append([predicted.exit_time * rate, *(np.nan if t is None else t * rate for t in times), merger])
        yield _Setting(beta, dim, n, rate, *np.array(rows).T)


def _until_formed(beta: float, tokens: np.ndarray, folds: float) -> tuple[History, Phases]:
    """A run until its clusters have formed, or for 60/λ_max."""
    history = follow(beta, tokens, folds, _FINE_STEP, _TOPS[tokens.shape[1]])
    while True:
        seen = phases(history.times, history.order, history.speed)
        if seen.clusters_formed is not None or folds >= _LATEST:
            return history, seen
        folds += _MORE
        history = follow(beta, tokens, folds, _FINE_STEP, _TOPS[tokens.shape[1]], history)


def _first_merger(beta: float, history: History, rate: float) -> float:
    """The time of the first merger: clusters go on as point masses until two of them are within 0.1 rad."""
    found = clusters(history.tokens, _MERGED)
    large = found.masses >= _CRUMB  # a straggler that comes home is no merger
    if large.sum() < 2:
        return np.nan

    def near(moment: Moment) -> float:
        theta = np.sort(np.arctan2(moment.tokens[:, 1], moment.tokens[:, 0]))
        return _MERGED - float(np.diff(np.append(theta, theta[0] + 2.0 * np.pi)).min())

    flow = UnnormalizedSelfAttention(beta, attention=Dense())
    start = float(history.times[-1])
    run = simulate(
        flow,
        found.positions[large],
        [start, start + _MERGER_END / rate],
        weights=found.masses[large] / found.masses[large].sum(),
        rtol=1e-6,
        events=[Event("merger", near, terminal=True, at_start=True)],
    )
    return float(run.attrs["events"].get("merger", np.nan))


def _flat(claim: str, group: list[_Setting], which: int) -> Verdict:
    """Whether T2 − T1 or T3 − T1 does not depend on n: the slope against ln n within three standard errors of 0."""
    x = np.concatenate([np.full(len(s.exit), np.log(s.n)) for s in group])
    y = np.concatenate([(s.second if which == 2 else s.formed) - s.exit for s in group])
    good = np.isfinite(y)
    x, y = x[good] - x[good].mean(), y[good]
    slope = float(x @ (y - y.mean()) / (x @ x))
    error = float(np.sqrt(np.sum((y - y.mean() - slope * x) ** 2) / (len(y) - 2) / (x @ x)))
    return compare(f"{claim} (within three standard errors)", 0.0, slope, 3.0 * error, unit="1/lambda_max per ln n")


def _mean_and_error(values: np.ndarray) -> tuple[float, float]:
    seen = values[np.isfinite(values)]
    if len(seen) == 0:
        return np.nan, np.nan
    return float(seen.mean()), 2.0 * float(seen.std(ddof=1) / np.sqrt(len(seen))) if len(seen) > 1 else 0.0


def _phase_panels(groups: dict[str, list[_Setting]]) -> tuple[Panel, ...]:
    exits, durations, formed, merged = [], [], [], []
    for color, (name, group) in enumerate(groups.items()):
        n = np.array([s.n for s in group])

        def points(label: str, values: list[np.ndarray], n: np.ndarray = n, color: int = color) -> Curve:
            middle, error = np.array([_mean_and_error(v) for v in values]).T
            return Curve(label, n, middle, "points", low=middle - error, high=middle + error, color=color)

        law = np.array([exit_law(s.beta, s.dim, s.n, _EXIT, "usa").mean_folds for s in group])
        exits += [points(name, [s.exit for s in group]), Curve("", n, law, predicted=True, color=color)]
        durations.append(points(name, [s.second - s.exit for s in group]))
        formed.append(points(name, [s.formed - s.exit for s in group]))
        if group[0].dim == 2:
            merged.append(points(name, [s.merger - s.exit for s in group]))
    unit = r" ($1/\lambda_{max}$)"
    return (
        Panel("linear exit; dashed: mean of the race law", "tokens n", f"T1{unit}", tuple(exits), log_x=True),
        Panel("quasi-linear phase", "tokens n", f"T2 − T1{unit}", tuple(durations), log_x=True),
        Panel("until clusters have formed", "tokens n", f"T3 − T1{unit}", tuple(formed), log_x=True),
        Panel("until the first merger, where there is one", "tokens n", f"T4 − T1{unit}", tuple(merged), log_x=True),
    )


def _phase_data(found: list[_Setting]) -> dict[str, np.ndarray]:
    data: dict[str, np.ndarray] = {}
    for s in found:
        tag = f"beta{s.beta:g}_d{s.dim}_n{s.n}"
        columns = {"race": s.race, "t1": s.exit, "t2": s.second, "t3": s.formed, "t4": s.merger}
        data |= {f"{key}_{tag}": values / s.rate for key, values in columns.items()}
    return data
