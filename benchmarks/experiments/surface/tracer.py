"""The program that records system calls: one tracefs instance of its own, gone when it ends.

Run as ``python3 -I -S tracer.py WORD KIBIBYTES [functions] PID...``. It mounts tracefs in a mount
namespace of its own where the host has none mounted, makes an instance named after its own pid,
its pid namespace and WORD, records the system calls of these processes and of all they start, and
says ``tracing`` and the numbers that these processes have in the recording. When standard input
ends (the harness stops it, or is dead) it prints what was recorded and removes the instance. With
``clean`` for a word it removes the instances of tracers that were killed and prints their names,
with ``list`` it prints them.

Needs nothing but os and ctypes, so that it stands ready in 30 ms. Source: the kernel's
Documentation/trace/ftrace.rst (instances, event-fork) and events.rst.
"""

# a stand-alone program; pathlib would double its start
# ruff: noqa: PTH102, PTH106, PTH112, PTH115, PTH123, PTH208, T201
from __future__ import annotations

import ctypes
import errno
import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TRACEFS = "/sys/kernel/tracing"
PREFIX = "tare-trace-"
FUNCTIONS = "functions"
"""Said before the pids where functions of the kernel are wanted."""
_CALL = re.compile(r"-(\d+) +\[\d+\] .*?: sys_enter: NR (-?\d+) \((\w+), (\w+)")
_FUNCTION = re.compile(r"-(\d+) +\[\d+\] .*?: ([\w.]+) <-")
_FORK = re.compile(r": sched_process_fork: .*? pid=(\d+) child_comm=.* child_pid=(\d+)")
_MARKED = re.compile(r"-(\d+) +\[\d+\] .*?: tracing_mark_write: ([\w-]+)")
_ADJUSTED = re.compile(r"-(\d+) +\[\d+\] .*?: oom_score_adj_update: pid=(\d+) ")
FIRST_PID_NAMESPACE = "4026531836"
"""PROC_PID_INIT_INO (include/linux/proc_ns.h): the same number on every kernel."""


def write(path: str, text: str) -> None:
    """Write a setting; opened without O_TRUNC's meaning, for event-fork appends."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(descriptor)


def find_tracefs() -> str:
    """Return where tracefs is; mounted here, and for this process alone, if need be."""
    if os.path.isdir(TRACEFS + "/instances"):
        return TRACEFS
    libc = ctypes.CDLL(None, use_errno=True)
    os.unshare(os.CLONE_NEWNS)
    private = 1 << 18 | 1 << 14  # MS_PRIVATE | MS_REC: nothing of this reaches the host's table
    for source, kind, flags in ((b"none", None, private), (b"tracefs", b"tracefs", 0)):
        target = b"/" if kind is None else TRACEFS.encode()
        if libc.mount(source, target, kind, flags, None) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), TRACEFS)
    return TRACEFS


def pid_namespace() -> str:
    """Return the number of this process's pid namespace."""
    return os.readlink("/proc/self/ns/pid").strip("pid:[]")


def numbers_of_kernel(instance: str, pids: Sequence[str], word: str) -> list[str]:
    """Return the numbers that the kernel's first pid namespace has for processes of this one.

    The tracepoints know no others, and nothing below that namespace is told them. So every process
    is given the oom_score_adj that it has: that changes nothing, and its tracepoint names the
    process. A line of our own says which number is ours, for others may write theirs meanwhile.

    Raises:
        OSError: The kernel did not tell them.
    """
    switch = instance + "/events/oom/oom_score_adj_update/enable"
    write(switch, "1")
    write(instance + "/tracing_on", "1")
    write(instance + "/trace_marker", word)
    asked = 0
    for pid in pids:
        setting = "/proc/" + pid + "/oom_score_adj"
        try:
            with open(setting, encoding="ascii") as file:
                write(setting, file.read().strip())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        asked += 1
    write(instance + "/tracing_on", "0")
    write(switch, "0")
    with open(instance + "/trace", encoding="utf-8", errors="replace") as file:
        text = file.read()
    own = next((pid for pid, said in _MARKED.findall(text) if said == word), None)
    found = [pid for writer, pid in _ADJUSTED.findall(text) if writer == own]
    if len(found) != asked:
        why = "the kernel did not tell by which numbers it knows the processes of this namespace,"
        raise OSError(errno.ESRCH, why, "/proc/self/ns/pid")
    os.close(os.open(instance + "/trace", os.O_WRONLY | os.O_TRUNC))  # empties it
    return found


def begin(
    instance: str, kibibytes: str, pids: Sequence[str], word: str, *, functions: bool
) -> Sequence[str]:
    """Make the instance and record; functions of the kernel, too, where that is asked for.

    Returns:
        The processes' numbers in the recording.
    """
    os.mkdir(instance)
    write(instance + "/tracing_on", "0")
    write(instance + "/buffer_size_kb", kibibytes)
    write(instance + "/trace_clock", "mono")  # one order for all CPUs
    if pid_namespace() != FIRST_PID_NAMESPACE:
        pids = numbers_of_kernel(instance, pids, word)
    write(instance + "/options/event-fork", "1")
    for begun in range(0, len(pids), 64):
        write(instance + "/set_event_pid", " ".join(pids[begun : begun + 64]))
    write(instance + "/events/raw_syscalls/sys_enter/enable", "1")
    write(instance + "/events/sched/sched_process_fork/enable", "1")
    if functions:
        for begun in range(0, len(pids), 64):
            write(instance + "/set_ftrace_pid", " ".join(pids[begun : begun + 64]))
        write(instance + "/options/function-fork", "1")
        write(instance + "/current_tracer", "function")
    write(instance + "/tracing_on", "1")
    return pids


def lost(instance: str) -> int:
    """Count the events that the buffers had no room for."""
    total = 0
    for cpu in os.listdir(instance + "/per_cpu"):
        with open(instance + "/per_cpu/" + cpu + "/stats", encoding="ascii") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name in ("overrun", "commit overrun", "dropped events"):
                    total += int(value)
    return total


def recorded(instance: str) -> Iterator[str]:
    """Give what was recorded, a line each.

    ``C pid number first second`` is a call, ``F pid child`` a fork, ``K pid name`` a function of
    the kernel, once between two calls of whoever.
    """
    seen: set[tuple[str, ...]] = set()
    with open(instance + "/trace", encoding="utf-8", errors="replace") as file:
        for line in file:
            if call := _CALL.search(line):
                seen.clear()
                yield "C " + " ".join(call.groups())
            elif (function := _FUNCTION.search(line)) and function.groups() not in seen:
                seen.add(function.groups())
                yield "K " + " ".join(function.groups())
            elif fork := _FORK.search(line):
                yield "F " + " ".join(fork.groups())


def clean(tracefs: str, *, remove: bool) -> None:
    """Print, and remove, the instances whose tracer is dead.

    One of another pid namespace may be at work where this process cannot see it, and is left.
    """
    for name in os.listdir(tracefs + "/instances"):
        pid, _, rest = name.removeprefix(PREFIX).partition("-")
        namespace, _, word = rest.partition("-")
        if not name.startswith(PREFIX) or namespace != pid_namespace():
            continue
        try:
            with open("/proc/" + pid + "/cmdline", encoding="utf-8", errors="replace") as file:
                if word in file.read().split("\0"):
                    continue
        except OSError:
            pass
        if remove:
            os.rmdir(tracefs + "/instances/" + name)
        print(name)


def main(word: str, kibibytes: str, pids: Sequence[str]) -> None:
    """Record until standard input ends."""
    functions = pids[:1] == [FUNCTIONS]
    pids = pids[1:] if functions else pids
    name = PREFIX + str(os.getpid()) + "-" + pid_namespace() + "-" + word
    instance = find_tracefs() + "/instances/" + name
    try:
        traced = begin(instance, kibibytes, pids, word, functions=functions)
        print("tracing", *traced, flush=True)
        sys.stdin.read()
        write(instance + "/tracing_on", "0")
        print("lost", lost(instance))
        for line in recorded(instance):
            print(line)
        print("end", flush=True)
    finally:
        if os.path.isdir(instance):
            os.rmdir(instance)


if __name__ == "__main__":
    try:
        if sys.argv[1] in ("clean", "list"):
            clean(find_tracefs(), remove=sys.argv[1] == "clean")
        else:
            main(sys.argv[1], sys.argv[2], sys.argv[3:])
    except OSError as error:
        print("refused", error.strerror, error.filename or "", flush=True)
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(1)
