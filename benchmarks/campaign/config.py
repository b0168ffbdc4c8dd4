"""Campaigns: what to measure, in which sandboxes, with which resources, for how long."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks import nearest, published, sandboxes, workloads
from benchmarks.errors import CampaignError, UnknownSandboxError, WorkloadError
from benchmarks.experiments import base as experiments
from benchmarks.stats.estimators import fewest
from benchmarks.workloads import toml_places
from benchmarks.workloads.checks import NAME, NAME_RULE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from benchmarks.experiments.base import Experiment

_PRESETS = Path(__file__).parent / "presets"

_SEEDS = 10**9
"""Seeds that are drawn from: short enough to be typed again."""
DEFAULT_MEMORY_MIB = 512
_BLOCKS_MIN = fewest()
"""Fewest blocks unless a campaign says otherwise: so many that a median has an interval."""
_LEAST_MEMORY_MIB = 64
"""No guest boots with less."""


class Campaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A campaign, resolved: nothing left to default.

    Attributes:
        name: Its name.
        sandboxes: Names of the sandboxes, each visited once in every block.
        workloads: Names of experiments and workloads, or paths of workloads' TOML files, in a
            campaign's file relative to its folder.
        blocks_min: Fewest blocks, whatever the budget; by default as many as an interval takes,
            or ``blocks_max`` where that is less.
        blocks_max: Most blocks, whatever the precision.
        budget_s: Wall time in which a new block may still begin, in seconds.
        precision: Wanted relative half-width of the interval of the median start, as a fraction.
        cpus: CPUs of every sandbox.
        cpuset: Host CPUs to use, isolated ones (``isolcpus=``) too; empty for the last ``cpus``
            distinct cores of the fastest kind that has enough, or threads where cores are too few.
        memory_mib: Memory of every sandbox, in MiB.
        seed: Seed of the order and of every resampling; drawn anew for each run by default.
        reproduces: Publication that the report lays the figures beside; empty for none.
        libvirt_uri: libvirt's URI for the VMs, such as ``qemu:///system``, of a daemon on this
            host; empty for libvirt's own driver in this process.
        options: Keys of the experiments, each declared by the experiment that it belongs to; in a
            file they stand beside the others.
    """

    name: str
    sandboxes: tuple[str, ...]
    workloads: tuple[str, ...]
    blocks_min: int = _BLOCKS_MIN
    blocks_max: int = 100
    budget_s: float = 300.0
    precision: float = 0.05
    cpus: int = 1
    cpuset: tuple[int, ...] = ()
    memory_mib: int = DEFAULT_MEMORY_MIB
    seed: int = 20140721
    reproduces: str = ""
    libvirt_uri: str = ""
    options: dict[str, Any] = {}

    def __post_init__(self) -> None:
        """Check what types cannot say.

        Raises:
            ValueError: A value makes no sense; the message names the key.
        """
        for key in ("sandboxes", "workloads"):
            given: tuple[str, ...] = getattr(self, key)
            if not given:
                raise ValueError(f"{key}: name at least one")
            if len(set(given)) != len(given):
                raise ValueError(f"{key}: the same name stands twice")
        for key, right, rule in (
            ("name", NAME.fullmatch(self.name), NAME_RULE),
            ("seed", 0 <= self.seed < 2**63, "0 or more, below 2 to the power of 63"),
            ("blocks_min", 1 <= self.blocks_min <= self.blocks_max, "1 to blocks_max"),
            ("precision", 0 < self.precision < 1, "a fraction between 0 and 1, such as 0.05"),
            ("budget_s", 0 < self.budget_s < math.inf, "a number of seconds above 0"),
            ("cpus", self.cpus >= 1, "1 or more"),
            ("memory_mib", self.memory_mib >= _LEAST_MEMORY_MIB, f"{_LEAST_MEMORY_MIB} or more"),
            ("cpuset", len(set(self.cpuset)) in {0, self.cpus}, "as many CPUs as cpus says"),
        ):
            if not right:
                raise ValueError(f"{key}: must be {rule}")


def presets() -> list[str]:
    """Return the names of the presets."""
    return sorted(path.stem for path in _PRESETS.glob("*.toml"))


def about(preset: str) -> str:
    """Return what a preset is for: the first sentence of its file's comment."""
    lines = (_PRESETS / f"{preset}.toml").read_text(encoding="utf-8").splitlines()
    said = itertools.takewhile(lambda line: line.startswith("#"), lines)
    return " ".join(line.lstrip("# ") for line in said).partition(". ")[0].rstrip(".")


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a campaign file."""
    return msgspec.json.schema(_written(experiments.known()))


@functools.cache
def _written(known: tuple[type[Experiment], ...]) -> type[msgspec.Struct]:
    """Return the type of a campaign as a file has it: the experiments' keys beside the others."""
    own = [field for field in msgspec.structs.fields(Campaign) if field.name != "options"]
    keyed = dict.fromkeys(kind.Options for kind in known)
    keys = {field.name: field for kind in keyed for field in msgspec.structs.fields(kind)}
    fields = [
        (field.name, field.type) if field.required else (field.name, field.type, field.default)
        for field in (*own, *keys.values())
    ]
    told = [inspect.cleandoc(kind.__doc__ or "") for kind in (Campaign, *keyed)]
    own_words = told[0].partition("    options:")[0].rstrip()
    more = (words.partition("Attributes:\n")[2] for words in told[1:])
    described = {"__doc__": "\n".join((own_words, *filter(None, more)))}
    return msgspec.defstruct(
        "Campaign", fields, kw_only=True, forbid_unknown_fields=True, namespace=described
    )


def load(preset_or_path: str, **overrides: Any) -> Campaign:
    """Load a preset by name or a campaign from a TOML file.

    Args:
        preset_or_path: Name of a preset, or path of a file ending in ``.toml``.
        overrides: Values that take the place of the file's; None is ignored.

    Raises:
        CampaignError: There is no such campaign, or it is wrong; the message names the file, the
            line and the key, and the nearest known name.
    """
    path = _find(preset_or_path)
    text, data = toml_places.read(path, "campaign", CampaignError)
    given = {key: value for key, value in overrides.items() if value is not None}
    _refuse_keys(path, text, data, given)
    files = _beside(path, data)
    if isinstance(most := data.get("blocks_max"), int) and not isinstance(most, bool):
        data.setdefault("blocks_min", max(1, min(_BLOCKS_MIN, most)))
    data.setdefault("seed", secrets.randbelow(_SEEDS))  # every run has an order of its own
    try:
        campaign = convert(data | given)
    except (msgspec.ValidationError, UnknownSandboxError, WorkloadError, CampaignError) as error:
        said = toml_places.plain(str(error))
        if isinstance(error, WorkloadError):
            _blame(path, text, said, files, given)
        if _comes_from(said, given):
            raise CampaignError(f"an option cannot be used: {said}") from error
        raise CampaignError(f"{toml_places.of_message(path, text, said)}: {said}") from error
    return campaign


def convert(data: dict[str, Any]) -> Campaign:
    """Make a campaign of plain data, and check that what it names exists.

    Raises:
        msgspec.ValidationError: A value is wrong.
        UnknownSandboxError: There is no such sandbox.
        WorkloadError: There is no such workload, or its definition is wrong.
        CampaignError: There is no such publication.
    """
    known = experiments.known()
    values = msgspec.structs.asdict(msgspec.convert(data, _written(known)))
    own = {key: values.pop(key) for key in Campaign.__struct_fields__ if key in values}
    campaign = msgspec.convert({**own, "options": values}, Campaign)
    for kind in known:
        experiments.options(kind, values)
    for name in campaign.sandboxes:
        sandboxes.find(name)
    experiments.asked(campaign.workloads, values)
    if campaign.reproduces:
        published.load(campaign.reproduces)
    return campaign


def plain(campaign: Campaign) -> dict[str, Any]:
    """Return a campaign as plain data, as a file has it; ``convert`` takes it back."""
    own = msgspec.structs.asdict(campaign)
    options: dict[str, Any] = own.pop("options")
    return {**own, **options}


def _find(preset_or_path: str) -> Path:
    if preset_or_path.endswith(".toml") or "/" in preset_or_path:
        return Path(preset_or_path)
    if preset_or_path in presets():
        return _PRESETS / f"{preset_or_path}.toml"
    said = f"there is no preset {preset_or_path!r}"
    if preset_or_path in workloads.names() or preset_or_path in experiments.names():
        use = f"`tare run quick -w {preset_or_path}` measures it"
        raise CampaignError(f"{said}: this is a workload; use -w: {use}")
    hint = nearest.hint(preset_or_path, presets(), "presets")
    raise CampaignError(f"{said}; {hint} (a campaign file must end in .toml)")


def _refuse_keys(path: Path, text: str, data: dict[str, Any], given: Collection[str]) -> None:
    """Refuse a file with keys that there are not, or without those that it must have."""
    if "command" in data and "sandboxes" not in data:
        use = f"use -w: `tare run quick -w {path}` measures it"
        raise CampaignError(f"{path}: this is a workload, no campaign; {use}")
    written = _written(experiments.known())
    known = written.__struct_fields__
    for key in data:
        if key not in known:
            place = toml_places.of_key(path, text, key)
            raise CampaignError(f"{place}: there is no key {key!r}; {nearest.hint(key, known)}")
    required = [field.name for field in msgspec.structs.fields(written) if field.required]
    if missing := [key for key in required if key not in data and key not in given]:
        raise CampaignError(
            f"{path}: a campaign must have {', '.join(required)}: {', '.join(missing)} missing; "
            "`tare show preset quick --schema` names every key and its default"
        )


def _beside(path: Path, data: dict[str, Any]) -> dict[str, str]:
    """Take the paths of workloads as relative to a campaign's file; return them as they stood."""
    names = data.get("workloads")
    files: dict[str, str] = {}
    if isinstance(names, list):
        for place, name in enumerate(names):
            if isinstance(name, str) and name.endswith(".toml"):
                names[place] = str(path.parent / name)
                files[names[place]] = name
    return files


def _blame(
    path: Path, text: str, said: str, files: Mapping[str, str], given: Mapping[str, Any]
) -> None:
    """Refuse a workload's own file in its own words, and say which line of the campaign named it.

    Raises:
        CampaignError: It is the workload's file that is wrong, or not there.
    """
    if any(one.endswith(".toml") and one in said for one in given.get("workloads", ())):
        raise CampaignError(said)
    for file, written in files.items():
        if file in said:
            place = toml_places.of_message(path, text, repr(written))
            raise CampaignError(f"{said} (named in {place})")


def _comes_from(message: str, options: dict[str, Any]) -> bool:
    """Tell whether a message speaks of a value that an option gave, not the file."""
    for key, value in options.items():
        values = value if isinstance(value, tuple) else (value,)
        named = (one for one in values if isinstance(one, str))  # a number is in many a message
        if message.startswith(f"{key}:") or any(repr(one) in message for one in named):
            return True
    return False
