"""Specifications that OCI can express, and documents that it could be given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from runtime.oci import seccomp, weights
from runtime.oci.linux import DEFAULT_DEVICES
from runtime.spec import (
    CapabilitySets,
    CpuAffinity,
    Device,
    DeviceRule,
    Hook,
    Hooks,
    HugepageLimit,
    IdMapping,
    IoLimit,
    IoPriority,
    Linux,
    Mount,
    Namespace,
    Process,
    Resources,
    Rlimit,
    Root,
    Scheduler,
    Spec,
    User,
    capabilities,
    tables,
)

BUNDLE = Path("/b")

# no NUL byte and no surrogates: no path or argument of the kernel can hold them
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
words = st.text("abcxyz019", min_size=1, max_size=6)
paths = st.lists(words, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
ids = st.integers(0, 2**32 - 2)
caps = st.lists(st.sampled_from(capabilities.ALL), unique=True, max_size=5).map(tuple)


def tuples(entry: st.SearchStrategy[Any], **limits: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(entry, max_size=limits.pop("max_size", 3), **limits).map(tuple)


def maybe(entry: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | entry


@st.composite
def rlimits(draw: st.DrawFn) -> Rlimit:
    hard = draw(st.integers(0, 2**64 - 2))
    soft = draw(st.integers(0, hard))
    unlimited = draw(st.integers(0, 2))
    return Rlimit(
        type=draw(st.sampled_from(sorted(tables.RLIMITS))),
        soft=-1 if unlimited == 2 else soft,
        hard=-1 if unlimited else hard,
    )


@st.composite
def capability_sets(draw: st.DrawFn, *, root: bool) -> dict[str, Any]:
    if root and draw(st.booleans()):
        return {"capabilities": draw(caps)}
    permitted, inheritable = draw(caps), draw(caps)
    both = [name for name in permitted if name in inheritable]
    found = CapabilitySets(
        bounding=draw(caps),
        permitted=permitted,
        inheritable=inheritable,
        effective=tuple(draw(st.lists(st.sampled_from(permitted), unique=True)))
        if permitted
        else (),
        ambient=tuple(draw(st.lists(st.sampled_from(both), unique=True))) if both else (),
    )
    same = found.bounding == found.effective == permitted and not inheritable
    if same and (root or not permitted):
        return {"capabilities": permitted}
    return {"capabilities": (), "capability_sets": found}


schedulers = (
    st.builds(
        Scheduler,
        policy=st.sampled_from(["SCHED_OTHER", "SCHED_BATCH", "SCHED_IDLE"]),
        nice=st.integers(-20, 19),
        flags=tuples(st.sampled_from(sorted(tables.SCHEDULER_FLAGS)), unique=True),
    )
    | st.builds(
        Scheduler, policy=st.sampled_from(["SCHED_FIFO", "SCHED_RR"]), priority=st.integers(1, 99)
    )
    | st.just(Scheduler(policy="SCHED_DEADLINE", runtime_ns=2000, deadline_ns=3000, period_ns=4000))
)
lists = st.sampled_from(["0", "0-3", "0-1,4", "2,7-9"])


@st.composite
def processes(draw: st.DrawFn) -> Process:
    terminal, uid = draw(st.booleans()), draw(ids)
    return Process(
        args=draw(tuples(texts, min_size=1)),
        env=draw(st.dictionaries(words, st.text("a=; \n", max_size=4), max_size=3)),
        cwd=draw(paths),
        user=User(uid=uid, gid=draw(ids), additional_gids=draw(tuples(ids))),
        no_new_privileges=draw(st.booleans()),
        rlimits=draw(tuples(rlimits(), unique_by=lambda limit: limit.type)),
        oom_score_adj=draw(maybe(st.integers(-1000, 1000))),
        init=False,
        umask=draw(st.integers(0, 0o777)),
        terminal=terminal,
        console_size=draw(maybe(st.tuples(*[st.integers(0, 65535)] * 2))) if terminal else None,
        scheduler=draw(maybe(schedulers)),
        io_priority=draw(
            maybe(
                st.builds(
                    IoPriority,
                    io_class=st.sampled_from(sorted(tables.IO_CLASSES)),
                    priority=st.integers(0, 7),
                )
            )
        ),
        exec_cpu_affinity=draw(
            maybe(st.builds(CpuAffinity, initial=maybe(lists), final=maybe(lists)))
        ),
        apparmor_profile=draw(maybe(words)),
        **draw(capability_sets(root=uid == 0)),
    )


mappings = st.builds(
    lambda host, size: (IdMapping(0, host, size),), st.integers(0, 2**31), st.integers(1, 70_000)
)
mounts = (
    st.builds(
        Mount,
        destination=paths,
        type=st.sampled_from(["tmpfs", "proc", "sysfs", "mqueue", "cgroup", "ext4"]),
        source=st.sampled_from(["", "tmpfs", "/dev/x"]),
        options=tuples(st.sampled_from(["ro", "nosuid", "noexec", "mode=755", "rprivate"])),
    )
    | st.builds(
        Mount,
        destination=paths,
        type=st.just("bind"),
        source=paths,
        options=tuples(st.sampled_from(["ro", "rro", "noatime", "rslave"])).map(
            lambda options: ("rbind", *options)
        ),
    )
    | st.builds(
        lambda mount, ids: Mount(
            destination=mount,
            type="bind",
            source="/s",
            options=("bind", "idmap"),
            uid_mappings=ids,
            gid_mappings=ids,
        ),
        paths,
        mappings,
    )
)
devices = st.builds(
    Device,
    path=paths.map(lambda path: f"/dev{path}"),
    type=st.sampled_from("cub"),
    major=st.integers(0, 4095),
    minor=st.integers(0, 2**20 - 1),
    file_mode=st.integers(0, 0o7777),
    uid=ids,
    gid=ids,
)
hooks = st.builds(
    Hook,
    path=paths,
    args=tuples(texts),
    env=tuples(st.just("A=b")),
    timeout_s=maybe(st.integers(1, 1000)),
)
rules = st.just(DeviceRule(allow=False)) | st.builds(
    DeviceRule,
    allow=st.booleans(),
    type=st.sampled_from("bc"),
    major=maybe(st.integers(0, 4095)),
    minor=maybe(st.integers(0, 2**20 - 1)),
    access=st.sampled_from(["r", "rw", "rwm", "m"]),
)
io_weights = st.integers(10, 1000).map(weights.io_weight)
rates = maybe(st.integers(1, 2**40))


@st.composite
def io_limits(draw: st.DrawFn) -> IoLimit:
    return IoLimit(
        major=draw(st.integers(0, 4095)),
        minor=draw(st.integers(0, 255)),
        weight=draw(io_weights),  # in every one: only so is their order that of the lists
        read_bytes_per_s=draw(rates),
        write_bytes_per_s=draw(rates),
        read_ops_per_s=draw(rates),
        write_ops_per_s=draw(rates),
    )


@st.composite
def resources(draw: st.DrawFn) -> Resources:
    limit = draw(maybe(st.just(-1) | st.integers(1, 2**40)))
    shares = draw(maybe(st.integers(2, 262_144)))
    quota = draw(maybe(st.just(-1) | st.integers(1000, 10**6)))
    return Resources(
        memory_limit_bytes=limit,
        memory_swap_bytes=draw(
            maybe(st.just(-1))
            if limit is None
            else maybe(st.just(-1) | st.integers(1 if limit == -1 else 0, 2**40))
        ),
        memory_reservation_bytes=draw(maybe(st.integers(1, 2**40))),
        cpu_quota_us=quota,
        cpu_period_us=draw(maybe(st.integers(1000, 10**6))),
        cpu_burst_us=draw(maybe(st.integers(0, 1000))),
        cpu_idle=draw(maybe(st.booleans())),
        cpuset=draw(maybe(lists)),
        cpuset_mems=draw(maybe(lists)),
        cpu_shares=shares,
        cpu_weight=None if shares is None else weights.cpu_weight(shares),
        pids_limit=draw(maybe(st.just(-1) | st.integers(1, 2**22))),
        io_weight=draw(maybe(io_weights)),
        io_limits=draw(tuples(io_limits(), unique_by=lambda x: (x.major, x.minor))),
        hugepage_limits=draw(
            tuples(
                st.builds(
                    HugepageLimit,
                    page_size=st.sampled_from(["64KB", "2MB", "1GB"]),
                    limit_bytes=st.integers(0, 2**64 - 1),
                ),
                unique_by=lambda limit: limit.page_size,
            )
        ),
        devices=draw(tuples(rules)),
        unified=draw(
            st.dictionaries(st.sampled_from(["memory.high", "io.max"]), texts, max_size=2)
        ),
    )


@st.composite
def filters(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38}
    if draw(st.booleans()):
        found["architectures"] = [draw(st.sampled_from(seccomp.ARCHITECTURES))]
    argument = {"index": 0, "value": 2**64 - 1, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}
    rule = {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "args": [argument]}
    return {**found, "syscalls": [rule]}


@st.composite
def linuxes(draw: st.DrawFn) -> Linux:
    kinds = ["pid", "uts", "ipc", "network", "cgroup", "time"]
    namespaces = [Namespace("mount")]
    for kind in draw(st.lists(st.sampled_from(kinds), unique=True)):
        path = draw(maybe(paths))
        namespaces.append(Namespace(kind, None if path is None else Path(path)))
    present = {entry.type: entry for entry in namespaces}
    everyone = (IdMapping(0, 0, 2**32 - 1),) if draw(st.booleans()) else ()
    if everyone:
        namespaces.append(Namespace("user"))
    time = present.get("time")
    offsets = st.dictionaries(
        st.sampled_from(["monotonic", "boottime"]), st.integers(-(2**62), 2**62)
    )
    nodes = draw(tuples(devices, unique_by=lambda device: device.path))
    sysctls = {
        **({"net.ipv4.ip_forward": "1"} if "network" in present else {}),
        **({"kernel.shmmax": "4096", "fs.mqueue.msg_max": "5"} if "ipc" in present else {}),
    }
    return Linux(
        namespaces=tuple(namespaces),
        uid_mappings=everyone,
        gid_mappings=everyone,
        resources=draw(resources()),
        cgroups_path=draw(maybe(paths)),
        masked_paths=draw(tuples(paths)),
        readonly_paths=draw(tuples(paths)),
        devices=DEFAULT_DEVICES,
        device_nodes=nodes,
        seccomp_object=draw(maybe(filters())),
        sysctl=sysctls,
        time_offsets_ns=draw(offsets) if time is not None and time.path is None else {},
        rootfs_propagation=draw(maybe(st.sampled_from(sorted(tables.PROPAGATIONS)))),
        personality=draw(maybe(st.sampled_from(sorted(tables.PERSONALITIES)))),
    )


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    linux = draw(linuxes())
    uts = linux.namespace("uts") is not None
    return Spec(
        root=Root(
            path=BUNDLE / draw(words), readonly=draw(st.booleans()), upper=None, shift_owners=False
        ),
        process=draw(processes()),
        hostname=draw(maybe(words)) if uts else None,
        domainname=draw(maybe(words)) if uts else None,
        mounts=draw(tuples(mounts)),
        linux=linux,
        hooks=draw(st.builds(Hooks, **_hook_lists())),
        annotations=draw(st.dictionaries(words, texts, max_size=3)),
        oci_version=draw(st.sampled_from(["1.0.0", "1.2.1", "1.3.0"])),
        profile="bundle",
    )


def _hook_lists() -> dict[str, Any]:
    names = (
        "prestart", "create_runtime", "create_container", "start_container", "poststart",
        "poststop",
    )  # fmt: skip
    return {name: tuples(hooks, max_size=2) for name in names}


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["/", "SCMP_ACT_ALLOW", "c", "a", "bind", "2MB", "RLIMIT_NOFILE", "user"])
)
"""Anything that may stand in a JSON document, and what is no JSON at all."""
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
