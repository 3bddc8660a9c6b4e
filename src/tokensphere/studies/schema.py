"""Study files: a validated description of a run. TOML in, frozen pydantic records out.

Unknown keys are errors that suggest the nearest known one; every key has a default that `--explain` prints.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tokensphere.errors import InputError, suggest
from tokensphere.experiments import check_experiment

__all__ = [
    "FlowStudy",
    "MeasureStudy",
    "SolveStudy",
    "Study",
    "TokensStudy",
    "builtin_names",
    "explain",
    "find_file",
    "load_study",
    "parse_study",
    "read_study",
    "read_table",
    "study_keys",
]

_BUILTIN = Path(__file__).parent / "builtin"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# The scheme that each option belongs to, and the schemes whose tokens may start from any radius.
_SCHEME_OPTIONS = {"switch": "mix", "alpha": "ngpt", "original_form": "ngpt", "scale_logits": "ln-scaling"}
_ANY_RADIUS = ("pre", "peri", "ln-scaling")


class FlowStudy(_Section):
    """The velocity field."""

    kind: Literal["sa", "usa"] = Field("usa", description="sa: softmax attention; usa: unnormalised")
    beta: float = Field(5.0, ge=0, description="inverse temperature, >= 0")
    shifted: bool = Field(False, description="usa only: kernel e^(beta(<x,y>-1)), time runs e^beta times slower")
    value: float | str | None = Field(
        None,
        description="value matrix V: a number (multiple of I), a .npy file, query-key (V = B), minus-query-key, or a "
        "random law: gaussian, goe, gram (G G^T/sqrt dim)",
    )
    query_key: float | str | None = Field(
        None, description="B = Q^T K: a number (multiple of I), a .npy file, or a random law: gaussian, goe, gram"
    )
    attention: Literal[
        "auto", "dense", "circle", "harmonic", "polynomial", "collapsed", "circle-series", "sphere-series"
    ] = Field(
        "auto", description="backend of the interaction sum; circle ones need dim 2, harmonic and sphere ones dim 3"
    )
    causal: bool = Field(False, description="token i sees tokens j <= i only; needs attention = 'dense' (or 'auto')")
    noise: float = Field(
        0.0, ge=0, description="tau of independent noise sqrt(2 tau) dW on the sphere; needs method strang or geodesic"
    )

    scheme: Literal["post", "pre", "mix", "peri", "ngpt", "sqrt", "ln-scaling"] = Field(
        "post", description="normalisation scheme; post: unit tokens, the flow itself"
    )
    switch: float | None = Field(None, ge=0, description="mix only: time at which Pre-LN follows Post-LN; 1 if unset")
    alpha: float | None = Field(None, gt=0, description="ngpt only: step of the normalised output; 1 if unset")
    original_form: bool = Field(False, description="ngpt only: layers N(y + step alpha (N(A) - y))")
    scale_logits: bool = Field(False, description="ln-scaling only: logits are divided by t + 1 as well")

    @model_validator(mode="after")
    def _shift_needs_usa(self) -> FlowStudy:
        if self.shifted and self.kind != "usa":
            raise ValueError("shifted = true needs kind = 'usa'")
        return self

    @model_validator(mode="after")
    def _options_fit_the_scheme(self) -> FlowStudy:
        for name, scheme in _SCHEME_OPTIONS.items():
            value = getattr(self, name)
            if value not in (None, False) and self.scheme != scheme:
                shown = str(value).lower() if value is True else f"{value:g}"
                raise ValueError(f"{name} = {shown} needs scheme = '{scheme}', got '{self.scheme}'")
        if self.noise and self.scheme != "post":
            raise ValueError(f"noise = {self.noise:g} needs scheme = 'post', got '{self.scheme}'")
        return self

    @model_validator(mode="after")
    def _causal_needs_dense(self) -> FlowStudy:
        if self.causal and self.attention not in ("auto", "dense"):
            raise ValueError(f"causal = true needs attention = 'dense' (or 'auto'), got '{self.attention}'")
        return self


class TokensStudy(_Section):
    """The tokens at time zero."""

    law: Literal["uniform", "von-mises-fisher", "cap", "equiangular", "equispaced", "perturbed", "file"] = Field(
        "uniform", description="how the tokens are drawn"
    )
    n: int = Field(20_000, ge=1, description="number of tokens")
    dim: int = Field(2, ge=2, description="ambient dimension; tokens live on S^(dim-1)")
    ensemble: int = Field(1, ge=1, description="alignment: number of independent draws that are run together")
    concentration: float = Field(10.0, ge=0, description="von-mises-fisher: concentration of every component")
    centers: int = Field(1, ge=1, description="von-mises-fisher: number of equally weighted random centres")
    angle: float = Field(1.0, gt=0, description="cap: opening angle from its centre, radians")
    inner_product: float = Field(0.0, description="equiangular: the common inner product of two tokens")
    degree: int = Field(1, ge=1, description="equispaced, perturbed: degree of the perturbing harmonic")
    amplitude: float = Field(1e-6, description="equispaced, perturbed: size of the perturbation")
    phase: float = Field(0.0, description="equispaced, perturbed (dim 2): phase of the perturbation, radians")
    path: str | None = Field(None, description="file: an .npy, .npz or .safetensors file of shape (n, dim)")
    key: str | None = Field(None, description="file: name of the array inside an .npz or .safetensors file")
    normalize: bool = Field(True, description="file: scale every row to unit length")
    radii: float | None = Field(
        None, gt=0, description="radius of every token, for schemes that keep them (pre, peri, ln-scaling); 1 if unset"
    )

    @model_validator(mode="after")
    def _complete(self) -> TokensStudy:
        if self.law == "file" and not self.path:
            raise ValueError("law = 'file' needs path")
        if self.law == "equispaced" and self.dim != 2:
            raise ValueError(f"law = 'equispaced' needs dim = 2, got {self.dim}")
        return self


class SolveStudy(_Section):
    """Time stepping."""

    t_end: float = Field(0.6, gt=0, description="end of the run, in the flow's clock")
    frames: int = Field(61, ge=2, description="number of equally spaced save times, both ends included")
    times: tuple[float, ...] | None = Field(None, description="explicit save times instead of t_end and frames")
    method: Literal["tsit5", "dopri8", "rk4", "euler", "layer", "strang", "geodesic"] = Field(
        "dopri8", description="Runge-Kutta method, discrete layers x <- N(x + step A), or one that takes noise"
    )
    rtol: float = Field(1e-8, ge=1e-14, le=0.1, description="error allowed over one step, radians")
    error_norm: Literal["largest", "rms"] = Field(
        "largest", description="the error held against rtol: of any token, or root mean square over the tokens"
    )
    step_size: float | None = Field(None, gt=0, description="fixed step (needed by all methods but tsit5 and dopri8)")
    max_steps: int = Field(1_000_000, ge=1, description="give up after this many steps")
    checkpoint_seconds: float = Field(5.0, ge=0, description="least wall time between two checkpoints")
    stop_within: float | None = Field(None, gt=0, description="stop when all tokens lie within this angle, radians")
    stop_slope: float | None = Field(None, gt=0, description="stop when |dE/dt| falls below this")

    @field_validator("times")
    @classmethod
    def _increasing(cls, times: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if times is not None and (len(times) < 2 or any(b <= a for a, b in itertools.pairwise(times))):
            raise ValueError(f"times must be at least two increasing numbers, got {list(times)}")
        if times is not None and times[0] != 0:
            raise ValueError(f"times must start at 0, got {times[0]:g}")
        return times

    @model_validator(mode="after")
    def _fixed_step(self) -> SolveStudy:
        if self.method not in ("tsit5", "dopri8") and self.step_size is None:
            raise ValueError(f"method = '{self.method}' has no error control and needs step_size")
        return self


class MeasureStudy(_Section):
    """What is measured while the run goes on, and the thresholds of its verdicts."""

    degrees: int | None = Field(
        None,
        ge=1,
        le=512,
        description="order parameters of degree 1..degrees; None: twice the dominant degree, at least 8",
    )
    exit: float = Field(0.1, gt=0, lt=1, description="order parameter at which the linear phase ends")
    cluster_angle: float = Field(0.1, gt=0, lt=3.14, description="tokens closer than this are connected, radians")
    cluster_mass: float = Field(0.02, ge=0, lt=1, description="groups of less mass are not counted as clusters")
    layer_step: float = Field(0.1, gt=0, description="step of one layer, to translate times into depth")
    threshold: float = Field(0.999, gt=-1, lt=1, description="alignment: inner product above which a pair is aligned")


class Study(_Section):
    """A whole run: `experiment` names the predictions and verdicts that go with it."""

    name: str = Field("emergence", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the run folder")
    experiment: str = Field("emergence", description="predictions and verdicts to make (alignment, emergence)")
    seed: int = Field(0, ge=0, description="the one source of randomness")
    flow: FlowStudy = FlowStudy()
    tokens: TokensStudy = TokensStudy()
    solve: SolveStudy = SolveStudy()
    measure: MeasureStudy = MeasureStudy()

    @field_validator("experiment")
    @classmethod
    def _known(cls, name: str) -> str:
        return check_experiment(name)

    @model_validator(mode="after")
    def _method_takes_noise(self) -> Study:
        if self.flow.noise and self.solve.method not in ("strang", "geodesic"):
            raise ValueError(
                f"flow.noise = {self.flow.noise:g}: solve.method = '{self.solve.method}' takes no noise; set it to "
                "'strang' or 'geodesic', and solve.step_size"
            )
        return self

    @model_validator(mode="after")
    def _radii_need_a_scheme(self) -> Study:
        radii, scheme = self.tokens.radii, self.flow.scheme
        if radii is not None and scheme not in _ANY_RADIUS and not (scheme == "mix" and radii == 1):
            known = ", ".join(f"'{name}'" for name in _ANY_RADIUS)
            raise ValueError(f"tokens.radii = {radii:g}: flow.scheme = '{scheme}' has radii 1; use one of {known}")
        return self

    @model_validator(mode="after")
    def _slope_needs_energy(self) -> Study:
        if self.flow.causal and self.solve.stop_slope is not None:
            raise ValueError(f"solve.stop_slope = {self.solve.stop_slope:g}: a causal flow has no energy; unset it")
        return self

    def to_json(self) -> str:
        """Every key with its value, in a fixed order."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    @property
    def hash(self) -> str:
        """SHA-256 of all that the numbers depend on.

        Not the name, `checkpoint_seconds` or `max_steps`, nor the backend of the interaction sum, which changes them
        by no more than its tolerance.
        """
        data = self.model_dump(mode="json")
        data.pop("name")
        data["flow"].pop("attention")
        if not self.flow.noise:  # runs without noise keep the hash that they had before there was any
            data["flow"].pop("noise")
        for section, key in (*(("flow", name) for name in ("scheme", *_SCHEME_OPTIONS)), ("tokens", "radii")):
            if data[section][key] in (None, False, "post"):  # likewise those without a scheme
                data[section].pop(key)
        if not self.flow.causal:  # likewise
            data["flow"].pop("causal")
        for key in ("checkpoint_seconds", "max_steps"):
            data["solve"].pop(key)
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def with_settings(self, settings: dict[str, Any]) -> Study:
        """The study with dotted keys replaced, e.g. `{"flow.beta": 9}`."""
        data = self.model_dump(mode="json")
        for key, value in settings.items():
            *sections, last = key.split(".")
            place = data
            for section in sections:
                if not isinstance(place.get(section), dict):
                    raise InputError(f"unknown study key '{key}'{suggest(key, study_keys())}")
                place = place[section]
            place[last] = value
        return parse_study(data)


def study_keys(model: type[BaseModel] = Study, prefix: str = "") -> Iterator[str]:
    """Every key of a study, dotted: `flow.beta`."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from study_keys(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def parse_study(data: dict[str, Any], source: str = "study") -> Study:
    """Validate a nested dictionary.

    **Raises:** `InputError` in one line: the first wrong key or value, and what would be right.
    """
    try:
        return Study.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise InputError(f"{source}: unknown key '{key}'{suggest(key, study_keys())}") from None
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "value_error":
            raise InputError(f"{source}: {key + ': ' if key else ''}{message}") from None
        raise InputError(f"{source}: {key} = {first['input']!r}: {message[0].lower()}{message[1:]}") from None


def builtin_names(*, sweeps: bool = False) -> list[str]:
    """Names of the studies that come with the package, or of its sweeps."""
    return sorted(path.stem for path in _BUILTIN.glob("*.toml") if ("sweep" in read_table(path)) == sweeps)


def find_file(name_or_path: str, known: list[str], kind: str = "study") -> Path:
    """The file of a study (or sweep): one that comes with the package, by name, or a path.

    **Raises:** `InputError` if there is none.
    """
    path = Path(name_or_path)
    if path.suffix not in (".toml", ".json"):
        path = _BUILTIN / f"{name_or_path}.toml"
        if not path.is_file():
            raise InputError(f"no {kind} named '{name_or_path}'{suggest(name_or_path, known)}")
    elif not path.is_file():
        raise InputError(f"no {kind} file at {name_or_path}")
    return path


def read_table(path: Path) -> dict[str, Any]:
    """The table of keys in a TOML or JSON file. **Raises:** `InputError` if it holds none."""
    kind = path.suffix[1:].upper()
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except ValueError as error:
        raise InputError(f"{path.name} is not valid {kind}: {error}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path.name} holds no study: it must be a table of keys")
    return data


def load_study(name_or_path: str) -> Study:
    """A study that comes with the package, by name, or from a TOML file (or the `study.json` of a run).

    **Raises:** `InputError` if there is no such study or file, or the file is not valid, or it describes a sweep.
    """
    path = find_file(name_or_path, builtin_names())
    data = read_table(path)
    if "sweep" in data:
        raise InputError(f"{name_or_path} describes a sweep; use: tokensphere sweep {name_or_path}")
    data.setdefault("name", path.stem)
    return parse_study(data, path.name)


def explain(study: Study) -> list[tuple[str, str, str, str]]:
    """For every key: (key, value in this study, default, meaning)."""

    def walk(model: BaseModel, prefix: str) -> Iterator[tuple[str, str, str, str]]:
        for name, field in type(model).model_fields.items():
            value = getattr(model, name)
            if isinstance(value, BaseModel):
                yield from walk(value, f"{prefix}{name}.")
                continue
            meaning = field.description or ""
            options = typing.get_args(field.annotation)
            if typing.get_origin(field.annotation) is Literal:
                meaning += f" ({', '.join(map(str, options))})"
            yield prefix + name, str(value), str(field.default), meaning

    return list(walk(study, ""))


def read_study(folder: Path) -> Study:
    """The study that a run folder was made with. **Raises:** `InputError` if the folder holds no run."""
    path = folder / "study.json"
    if not path.is_file():
        raise InputError(f"no run at {folder}: it has no study.json")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(f"{path} is damaged: it is not JSON") from None
    return parse_study(data, str(path))
