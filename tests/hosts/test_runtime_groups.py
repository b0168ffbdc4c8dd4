"""Where the runtime's groups stand on a host of systemd's, and that nothing of them stays."""

import json
import shlex

import pytest

from tests.hosts.framework.machine import SOURCE, Machine

_PYTHON = f"{SOURCE}/.venv/bin/python"
_TREE = "/root/groups"
#: Starts a container with limits; says where it stood, what limited it and what was noted.
_START = """
import json, os, signal, sys
from pathlib import Path
from runtime import Engine, Resources, profiles
tree = Path(sys.argv[1])
limits = Resources(memory_limit_bytes=64 << 20, cpus=0.5, pids_limit=20)
spec = profiles.default(rootfs=tree / "image", args=["/bin/busybox", "sleep", "1000"],
                        resources=limits)
with Engine(tree / "state") as engine, engine.run(spec) as container:
    folder = container.cgroup_paths["unified"]
    names = ("memory.max", "cpu.max", "pids.max")
    said = {"group": str(folder), "own": Path("/proc/self/cgroup").read_text().strip(),
            "limits": [(folder / name).read_text().strip() for name in names],
            "engine": engine.name, "notes": engine.notes}
    print(json.dumps(said), flush=True)
    for victim in sys.argv[2:]:
        os.kill(engine.spawner_pid if victim == "spawner" else os.getpid(), signal.SIGKILL)
"""
_LIMITS = [str(64 << 20), "50000 100000", "20"]
_ROOT = "/sys/fs/cgroup"

pytestmark = pytest.mark.usefixtures("tree", "unchanged")


@pytest.fixture(scope="module")
def tree(host: Machine) -> None:
    """An image of one program, and the harness."""
    host.run(f"mkdir -p {_TREE}/image/bin && cp /bin/busybox {_TREE}/image/bin/")
    host.put(f"cat >{_TREE}/start.py", _START.encode())


def _start(host: Machine, around: str = "", *victims: str) -> dict[str, object]:
    command = f"{_PYTHON} {_TREE}/start.py {_TREE} {' '.join(victims)}"
    done = host.run(f"cd {SOURCE} && {around} env PYTHONPATH={SOURCE} {command}", check=not victims)
    said: dict[str, object] = json.loads(done.stdout.splitlines()[0])
    assert said["limits"] == _LIMITS
    assert said["notes"] == []
    return said


def _gone(host: Machine, engine: object) -> bool:
    """Whether nothing of an engine stands in the hierarchy; systemd has five seconds for it."""
    look = f"find {_ROOT} -name '{engine}*' | grep -q ."
    return (
        host.run(
            f"for i in $(seq 50); do {look} || exit 0; sleep 0.1; done; exit 1", check=False
        ).returncode
        == 0
    )


@pytest.mark.parametrize(
    "around", ["", "systemd-run --quiet --wait --pipe", "systemd-run --quiet --scope"]
)
def test_systemd_is_asked_for_a_scope(host: Machine, around: str) -> None:
    said = _start(host, around)
    scope = f"{_ROOT}/system.slice/{said['engine']}.scope"
    assert str(said["group"]).startswith(f"{scope}/")
    assert _gone(host, said["engine"])


@pytest.mark.parametrize("kind", ["--wait --pipe", "--scope"])
def test_a_delegated_unit_is_used_as_it_is(host: Machine, kind: str) -> None:
    said = _start(host, f"systemd-run --quiet --unit=ours -p Delegate=yes {kind}")
    assert str(said["group"]).startswith(f"{_ROOT}/system.slice/ours.")


@pytest.mark.parametrize("victims", [("harness",), ("spawner", "harness")])
def test_a_scope_ends_when_its_engine_is_killed(host: Machine, victims: tuple[str, ...]) -> None:
    said = _start(host, "", *victims)
    assert _gone(host, said["engine"])
    clean = f"from pathlib import Path; import runtime; runtime.clean(Path('{_TREE}/state'))"
    host.run(f"cd {SOURCE} && {_PYTHON} -c {shlex.quote(clean)} && rm -rf {_TREE}/state")


def test_tare_oci_asks_for_a_scope_as_well(host: Machine) -> None:
    oci = f"{SOURCE}/.venv/bin/tare-oci"
    edit = (
        "import json; found = json.load(open('config.json')); "
        f"found['root']['path'] = '{_TREE}/image'; found['process']['terminal'] = False; "
        "found['process']['args'] = ['/bin/busybox', 'sleep', '1000']; "
        "json.dump(found, open('config.json', 'w'))"
    )
    host.run(f"mkdir -p {_TREE}/b && cd {_TREE}/b && rm -f config.json && {oci} spec && "
             f"{_PYTHON} -c {shlex.quote(edit)}")  # fmt: skip
    host.run(f"cd {_TREE}/b && {oci} run --detach asked </dev/null >/dev/null 2>&1")
    try:
        shown = host.run("systemctl show tare-oci-asked.scope -p ActiveState -p Delegate").stdout
        assert set(shown.split()) == {"ActiveState=active", "Delegate=yes"}
        host.run(f"{oci} update --memory 64m asked")
        limit = host.run("systemctl show tare-oci-asked.scope -p MemoryMax").stdout
        assert limit.strip() == f"MemoryMax={64 << 20}"
    finally:
        host.run(f"{oci} delete --force asked")
    assert _gone(host, "tare-oci-asked")
