"""Campaigns: what to measure, in which sandboxes, with which resources, for how long."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks import nearest, published, sandboxes, workloads
from benchmarks.errors import CampaignError, UnknownSandboxError, WorkloadError
from benchmarks.experiments import base as experiments
from benchmarks.workloads import toml_places
from benchmarks.workloads.checks import NAME, NAME_RULE

if TYPE_CHECKING:
    from benchmarks.experiments.base import Experiment

_PRESETS = Path(__file__).parent / "presets"

_SEEDS = 10**9
"""Seeds that are drawn from: short enough to be typed again."""
DEFAULT_MEMORY_MIB = 512
_LEAST_MEMORY_MIB = 64
"""No guest boots with less."""


class Campaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A campaign, resolved: nothing left to default.

    Attributes:
        name: Its name.
        sandboxes: Names of the sandboxes, each visited once in every block.
        workloads: Names of experiments and workloads, or paths of workloads' TOML files.
        blocks_min: Fewest blocks, whatever the budget.
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
    blocks_min: int = 5
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
    _refuse_unknown_keys(path, text, data)
    given = {key: value for key, value in overrides.items() if value is not None}
    data.setdefault("seed", secrets.randbelow(_SEEDS))  # every run has an order of its own
    try:
        campaign = convert(data | given)
    except (msgspec.ValidationError, UnknownSandboxError, WorkloadError, CampaignError) as error:
        said = _plain(error)
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


def _refuse_unknown_keys(path: Path, text: str, data: dict[str, Any]) -> None:
    known = _written(experiments.known()).__struct_fields__
    for key in data:
        if key not in known:
            place = toml_places.of_key(path, text, key)
            raise CampaignError(f"{place}: there is no key {key!r}; {nearest.hint(key, known)}")


def _comes_from(message: str, options: dict[str, Any]) -> bool:
    """Tell whether a message speaks of a value that an option gave, not the file."""
    for key, value in options.items():
        values = value if isinstance(value, tuple) else (value,)
        named = (one for one in values if isinstance(one, str))  # a number is in many a message
        if message.startswith(f"{key}:") or any(repr(one) in message for one in named):
            return True
    return False


def _plain(error: Exception) -> str:
    """Return the message in this project's words where msgspec has its own path notation."""
    message = str(error)
    match = re.fullmatch(r"(.*) - at `\$\.?(.*)`", message)
    return f"{match.group(2)}: {match.group(1)}" if match and match.group(2) else message
