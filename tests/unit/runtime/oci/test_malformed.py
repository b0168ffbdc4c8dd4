"""Whatever stands in a config.json: one sentence that names the place, never a traceback."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import SpecError
from runtime.oci import bundle, template
from tests.framework.fuzzing import examples
from tests.unit.runtime.oci import strategies
from tests.unit.runtime.oci.documents import full

if TYPE_CHECKING:
    from pathlib import Path

BUNDLE = strategies.BUNDLE


def mapped() -> dict[str, Any]:
    """The template, in a user namespace."""
    document = template.document()
    ids = [{"containerID": 0, "hostID": 1_879_048_192, "size": 65_536}]
    document["linux"]["namespaces"].append({"type": "user"})
    document["linux"] |= {"uidMappings": ids, "gidMappings": ids}
    return document


WHOLE = json.dumps(mapped())


def error(text: Any) -> SpecError:
    with pytest.raises(SpecError) as caught:
        bundle.parse(text, BUNDLE)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 400
    return caught.value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not JSON in line 1, column 1"),
        ("nonsense", "is not JSON in line 1, column 1"),
        (WHOLE[: len(WHOLE) // 2], "is not JSON in line 1"),
        (WHOLE + "}", "Extra data"),
        (f"\ufeff{WHOLE}", "is not JSON in line 1"),
        (WHOLE.encode("utf-16"), "is not UTF-8 at byte 0"),
        (WHOLE.encode() + b"\xff", f"is not UTF-8 at byte {len(WHOLE)}"),
        ("[]", "must be an object, not a list"),
        ("null", "must be an object, not null"),
        ("7", "must be an object, not the number 7"),
        ('{"a": NaN}', "it holds NaN"),
        ('{"a": -Infinity}', "it holds -Infinity"),
        ('{"a": 1e999}', "holds the number 1e999, which is too large"),
        ('{"a": ' + "9" * 5000 + "}", "holds a number that is too long"),
        ("[" * 100_000, "is nested more than 100 deep"),
        ('{"a":' * 200 + "1" + "}" * 200, "is nested more than 100 deep"),
        ('{"a": "\x01"}', "Invalid control character in line 1"),
    ],
)
def test_what_is_no_document(text: str | bytes, words: str) -> None:
    found = error(text)
    assert found.path == "config.json"
    assert words.removesuffix(" in line 1") in str(found)


def test_a_loop_is_no_document() -> None:
    loop: dict[str, Any] = {}
    loop["a"] = loop
    assert "nested" in str(error(loop))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"a": 1, "a": 2}', "a"),
        ('{"process": {"user": {"uid": 0, "uid": 0}}}', "process.user.uid"),
        ('{"mounts": [{}, {"type": "a", "type": "b"}]}', "mounts[1].type"),
        ('{"linux": {"sysctl": {"a.b": "1", "a.b": "2"}}}', 'linux.sysctl["a.b"]'),
    ],
)
def test_a_key_given_twice_is_named(text: str, path: str) -> None:
    found = error(text)
    assert (found.path, str(found)) == (path, f"{path}: is given twice")


def changed(path: str, value: Any) -> dict[str, Any]:
    """The template with one member replaced, its way made."""
    document = mapped()
    place: Any = document
    *way, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    for key in way:
        place = place[key] if isinstance(key, int) else place.setdefault(key, {})
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("process", None, "process: is missing"),
        ("process", [], "process: must be an object, not a list"),
        ("process.cwd", "tmp", "process.cwd: 'tmp' must be absolute"),
        ("process.cwd", "", "process.cwd: is missing"),
        ("process.args", [], "process.args: is empty; name a program to run"),
        ("process.args", "sh", "process.args: must be a list, not the string 'sh'"),
        ("process.args", ["a\0b"], "process.args[0]: holds a NUL byte"),
        ("process.args", ["\ud800"], "process.args[0]: holds half of a surrogate pair"),
        ("process.env", ["A"], "process.env[0]: 'A' is not of the form NAME=value"),
        ("process.terminal", 1, "process.terminal: must be true or false, not the number 1"),
        ("process.user.uid", "root", "process.user.uid: must be a whole number, not the string"),
        ("process.user.uid", True, "process.user.uid: must be a whole number, not true"),
        ("process.user.uid", 1.0, "process.user.uid: must be a whole number, not the number 1.0"),
        ("process.user.uid", -1, "process.user.uid: -1 is outside 0 to 4294967295"),
        ("process.user.uid", 70_000, "process.user.uid: 70000 is not mapped by linux.uidMappings"),
        ("process.user.uid", 10**400, "process.user.uid: a number of more than 54 digits is out"),
        ("process.user.umask", 512, "process.user.umask: 512 is outside 0 to 511"),
        ("process.rlimits", [{"type": "RLIMIT_NOFILES", "soft": 1, "hard": 1}],
         "process.rlimits[0].type: 'RLIMIT_NOFILES' is no resource limit; did you mean 'RLIMIT_NO"),
        ("process.rlimits", [{"type": "RLIMIT_CPU", "soft": 1}], "rlimits[0].hard: is missing"),
        ("process.rlimits", [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}],
         "process.rlimits[0].soft: is above the hard limit 1"),
        ("process.rlimits", [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2,
         "process.rlimits[1].type: RLIMIT_CPU is given twice"),
        ("process.oomScoreAdj", 1001, "process.oomScoreAdj: 1001 is outside -1000 to 1000"),
        ("process.consoleSize", {"height": 1}, "process.consoleSize.width: is missing"),
        ("process.scheduler", {"policy": "SCHED_ISO"}, "process.scheduler.policy: 'SCHED_ISO'"),
        ("process.scheduler", {"policy": "SCHED_FIFO"}, "process.scheduler.priority: 0 is outside"),
        ("process.ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 8},
         "process.ioPriority.priority: 8 is outside 0 to 7"),
        ("process.execCPUAffinity", {"final": "3-1"}, "process.execCPUAffinity.final: the range"),
        ("process.apparmorProfile", 5, "process.apparmorProfile: must be a string, not the number"),
        ("process.selinuxLabel", "mine", "process.selinuxLabel: this runtime cannot confine"),
        ("root", None, "root: is missing"),
        ("root.path", "", "root.path: is missing"),
        ("root.readonly", "yes", "root.readonly: must be true or false, not the string 'yes'"),
        ("ociVersion", None, "ociVersion: is missing"),
        ("ociVersion", "latest", "ociVersion: 'latest' is no version such as"),
        ("ociVersion", "2.0.0", "ociVersion: '2.0.0' is not supported"),
        ("hostname", "a" * 65, "hostname: has 65 bytes; the kernel takes 64"),
        ("hostname", 5, "hostname: must be a string, not the number 5"),
        ("annotations", {"a": 1}, "annotations.a: must be a string, not the number 1"),
        ("annotations", {"": "a"}, "annotations: has a key without a name"),
        ("mounts.0.destination", None, "mounts[0].destination: is missing"),
        ("mounts.0", {"destination": "/", "type": "tmpfs", "options": ["tmpcopyup"]},
         "mounts[0].options: tmpcopyup cannot fill the root with itself"),
        ("mounts.0.type", None, "mounts[0].type: is missing; name a file system"),
        ("mounts.0", {"destination": "/a", "type": "none", "options": ["bind"]},
         "mounts[0].source: is missing"),
        ("mounts.0", {"destination": "/a", "source": "/b", "options": ["bind", "nosiud"]},
         "mounts[0].options[1]: 'nosiud' has no effect on a bind mount; did you mean 'nosuid'?"),
        ("mounts.0", {"destination": "/a", "source": "/b", "options": ["bind"],
                      "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]},
         "mounts[0].gidMappings: is missing; both kinds"),
        ("mounts.0", {"destination": "/a", "type": "tmpfs", "options": ["idmap"]},
         "mounts[0].options: an id mapping needs a bind mount"),
        ("mounts.0", {"destination": "/a", "type": "proc", "options": ["tmpcopyup"]},
         "mounts[0].options: tmpcopyup fills a tmpfs"),
        ("hooks", {"poststop": [{"path": "bin"}]}, "hooks.poststop[0].path: 'bin' must be abs"),
        ("hooks", {"prestart": [{"path": "/a", "timeout": 0}]}, "prestart[0].timeout: 0 must"),
        ("linux.namespaces", [{"type": "net"}],
         "linux.namespaces[0].type: 'net' is no namespace; did you mean 'network'?"),
        ("linux.namespaces", [{"type": "pid"}, {"type": "pid"}],
         "linux.namespaces[1].type: 'pid' is given twice"),
        ("linux.namespaces.0.path", "proc/1", "linux.namespaces[0].path: 'proc/1' must be abs"),
        ("linux.uidMappings.0.size", 0, "linux.uidMappings[0].size: 0 must be above zero"),
        ("linux.uidMappings.0.hostID", 2**32 - 1, "linux.uidMappings[0].hostID: ids 4294967295"),
        ("linux.timeOffsets", {"monotonic": {"secs": 1}}, "linux.timeOffsets: needs a time name"),
        ("linux.timeOffsets", {"realtime": {"secs": 1}}, "linux.timeOffsets.realtime: only mono"),
        ("linux.timeOffsets", {"boottime": {"nanosecs": 10**9}},
         "linux.timeOffsets.boottime.nanosecs: 1000000000 is outside 0 to 999999999"),
        ("linux.devices", [{"path": "/dev/a", "type": "c", "major": 1}],
         "linux.devices[0].minor: is missing"),
        ("linux.devices", [{"path": "dev/a", "type": "p"}], "linux.devices[0].path: 'dev/a' must"),
        ("linux.cgroupsPath", "/a/../../b", "linux.cgroupsPath: must not lead upwards"),
        ("linux.sysctl", {"kernel.core_pattern": "|/x"},
         'linux.sysctl["kernel.core_pattern"]: belongs to no namespace'),
        ("linux.sysctl", {"net.//.//.kernel.core_pattern": "|/x"}, "belongs to no namespace"),
        ("linux.sysctl", {"net/../kernel/core_pattern": "|/x"}, "belongs to no namespace"),
        ("linux.sysctl", {"kernel.hostname": "a"}, "is what the field hostname is for"),
        ("linux.rootfsPropagation", "privat", "did you mean 'private'?"),
        ("linux.maskedPaths", ["proc"], "linux.maskedPaths[0]: 'proc' must be absolute"),
        ("linux.personality", {"domain": "LINUX", "flags": ["X"]}, "linux.personality.flags: 'X'"),
        ("linux.intelRdt", {}, "linux.intelRdt: this runtime does not divide caches"),
        ("linux.memoryPolicy", {"mode": "MPOL_BIND", "nodes": "0"}, "linux.memoryPolicy: this run"),
        ("linux.netDevices", {"eth0": {}}, "linux.netDevices: this runtime moves no network"),
        ("linux.resources.rdma", {"mlx": {"hcaHandles": 3}}, "linux.resources.rdma: this runtime"),
        ("linux.resources.network", {"classID": 1}, "linux.resources.network.classID: this runt"),
        ("linux.resources.memory", {"swap": 5}, "memory.swap: is the sum of memory"),
        ("linux.resources.memory", {"limit": 6, "swap": 5}, "memory.swap: 5 is the sum"),
        ("linux.resources.memory", {"swappiness": 101}, "swappiness: 101 is outside 0 to 100"),
        ("linux.resources.cpu", {"quota": 5}, "linux.resources.cpu.quota: 5 must be at least 1000"),
        ("linux.resources.cpu", {"quota": 2000, "burst": 3000}, "cpu.burst: 3000 is more than"),
        ("linux.resources.cpu", {"period": 10}, "cpu.period: 10 is outside 1000 to 1000000"),
        ("linux.resources.cpu", {"cpus": "0-"}, "linux.resources.cpu.cpus: '0-' is no list"),
        ("linux.resources.cpu", {"idle": 2}, "linux.resources.cpu.idle: 2 is outside 0 to 1"),
        ("linux.resources.blockIO", {"weight": 5}, "blockIO.weight: 5 is outside 10 to 1000"),
        ("linux.resources.blockIO",
         {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1}] * 2},
         "linux.resources.blockIO.throttleReadBpsDevice[1]: names device 8:0 a second time"),
        ("linux.resources.hugepageLimits", [{"pageSize": "2mb", "limit": 1}],
         "linux.resources.hugepageLimits[0].pageSize: '2mb' is no size"),
        ("linux.resources.devices", [{"access": "r"}], "devices[0].allow: is missing"),
        ("linux.resources.devices", [{"allow": True}], "devices[0].access: is missing"),
        ("linux.resources.devices", [{"allow": True, "access": "rx"}], "[0].access: 'rx' is not"),
        ("linux.resources.devices", [{"allow": True, "access": "rwm", "major": 1}],
         "linux.resources.devices[0].type: 'a' is for every device and access"),
        ("linux.resources.unified", {"../x": "1"}, 'linux.resources.unified["../x"]: is no file'),
        ("linux.seccomp", {}, "linux.seccomp.defaultAction: is missing"),
        ("linux.seccomp", {"defaultAction": "SCMP_ACT_DENY"}, "'SCMP_ACT_DENY' is no action of li"),
        ("linux.seccomp", {"defaultAction": "SCMP_ACT_KILL", "defaultErrnoRet": 1},
         "linux.seccomp.defaultErrnoRet: SCMP_ACT_KILL returns no number"),
        ("linux.seccomp", {"defaultAction": "SCMP_ACT_NOTIFY"}, "listenerPath: is missing"),
        ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["a"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "value": 0}]}]},
         "linux.seccomp.syscalls[0].args[0].index: 6 is outside 0 to 5"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(path: str, value: Any, words: str) -> None:
    assert words in str(error(changed(path, value)))


@pytest.mark.parametrize(
    ("dropped", "words"),
    [
        ("uts", "hostname: needs a uts namespace"),
        ("user", "linux.uidMappings: needs a user namespace"),
    ],
)
def test_what_needs_a_namespace_says_so(dropped: str, words: str) -> None:
    document = mapped()
    kept = [entry for entry in document["linux"]["namespaces"] if entry["type"] != dropped]
    document["linux"]["namespaces"] = kept
    assert words in str(error(document))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("net.ipv4.ip_forward", "network"), ("kernel.shmmax", "ipc"), ("fs.mqueue.msg_max", "ipc"),
     ("kernel.domainname", "uts"), ("user.max_user_namespaces", "user")],
)  # fmt: skip
def test_a_kernel_parameter_needs_its_namespace(name: str, kind: str) -> None:
    document = mapped()
    document["linux"]["sysctl"] = {name: "1"}
    assert bundle.parse(document, BUNDLE).linux.sysctl == {name: "1"}
    kept = [entry for entry in document["linux"]["namespaces"] if entry["type"] != kind]
    document["linux"]["namespaces"] = kept
    if kind == "user":
        document["linux"] |= {"uidMappings": [], "gidMappings": []}
    document["hostname"] = ""
    assert f"needs a namespace of type {kind}" in str(error(document))


def test_a_bundle_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"cannot read .*config\.json: No such file"):
        bundle.load(tmp_path)
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(SpecError, match="is not a regular file"):
        bundle.load(tmp_path)


def test_a_bundle_without_its_root_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(WHOLE)
    with pytest.raises(SpecError, match=r"root.path: .*rootfs is not a directory"):
        bundle.load(tmp_path)


def only_spec_errors(text: Any) -> None:
    try:
        bundle.parse(text, BUNDLE)
    except SpecError as found:
        assert found.path  # noqa: PT017  # either outcome is right
        assert "\n" not in str(found)  # noqa: PT017


@settings(max_examples=examples(100), deadline=None)
@given(strategies.values)
def test_no_object_is_too_strange(value: Any) -> None:
    only_spec_errors(value)


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=40) | st.text(max_size=40))
def test_no_text_is_too_strange(text: str | bytes) -> None:
    only_spec_errors(text)


@settings(max_examples=examples(200), deadline=None)
@given(st.data())
def test_no_damage_to_a_file_is_too_strange(data: st.DataObject) -> None:
    whole = WHOLE.encode()
    first = data.draw(st.integers(0, len(whole)))
    gone = data.draw(st.integers(0, 20))
    only_spec_errors(whole[:first] + data.draw(st.binary(max_size=5)) + whole[first + gone :])


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container of a document with every key in it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, child in pairs:
        found.append((value, key))
        if isinstance(child, (dict, list)):
            found += places(child)
    return found


@settings(max_examples=examples(200), deadline=None)
@given(st.data())
def test_no_value_anywhere_is_too_strange(data: st.DataObject) -> None:
    document = full()
    for _ in range(data.draw(st.integers(1, 3))):
        place, key = data.draw(st.sampled_from(places(document)))
        place[key] = data.draw(strategies.values)
    only_spec_errors(document)
