"""The agent: reads and tries what it is asked to, and prints one JSON document.

It runs inside a sandbox as ``python3 -I -S -c SOURCE`` and therefore stands alone: no import of
the project, no module that costs time under an emulated CPU, ctypes only where a raw system call
is asked for. The host runs the same reading functions in its own process, so both sides read
alike; it never runs the attempts. The agent decides nothing: verdicts are made on the host.
"""

# pathlib takes longer to import than the whole agent takes to run:
# ruff: noqa: PTH108, PTH115, PTH208
from __future__ import annotations

import errno
import os
import sys
import time

TYPE_CHECKING = False  # typing is not imported: it would be the agent's most expensive module
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FORMAT = 1
ATTEMPT_SECONDS = 5


def read_file(path: str, limit: int = 65536) -> dict[str, Any]:
    """Read the beginning of a file; O_NONBLOCK, since some pseudo-files wait for news."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        data = b""
        while len(data) < limit:
            try:
                # Never less than a record: /dev/kmsg refuses a buffer that is too small for one.
                chunk = os.read(descriptor, max(limit, 8192))
            except BlockingIOError:
                break
            if not chunk:
                break
            data += chunk
    finally:
        os.close(descriptor)
    # A runtime masks a file by binding /dev/null (char 1:3) over it.
    return {"text": data[:limit].decode("latin-1"), "null": status.st_rdev == os.makedev(1, 3)}


def list_directory(path: str) -> dict[str, Any]:
    """List a directory."""
    return {"names": sorted(os.listdir(path))}


def read_link(path: str) -> dict[str, Any]:
    """Read where a symbolic link points to."""
    return {"text": os.readlink(path)}


def try_open(path: str, flags: int) -> dict[str, Any]:
    """Open and close, nothing else: for write permission nothing is ever written.

    A mask is no opening: a runtime binds /dev/null (char 1:3) over what it hides.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    masked = os.fstat(descriptor).st_rdev == os.makedev(1, 3)
    os.close(descriptor)
    if masked:
        raise OSError(errno.ENXIO, "a mask is over it", path)
    return {"opened": True}


def list_processes(path: str) -> dict[str, Any]:
    """Map each visible process to its command line."""
    found = {}
    for name in os.listdir(path):
        if name.isdigit():
            try:
                found[name] = read_file(path + "/" + name + "/cmdline", 256)["text"]
            except OSError:
                found[name] = ""
    return {"processes": found}


def kernel_name() -> dict[str, Any]:
    """Name the kernel by the system call, which works where /proc is missing too."""
    found = os.uname()
    return {"text": found.release + " " + found.version, "node": found.nodename}


def list_descriptors(path: str) -> dict[str, Any]:
    """Map each descriptor above stderr to what it is; the one reading the list is left out."""
    found = {}
    for name in os.listdir(path):
        if int(name) > 2:  # noqa: PLR2004  # standard streams are given on purpose
            try:
                found[name] = os.readlink(path + "/" + name)
            except OSError:
                continue
    return {"descriptors": found}


def list_devices(path: str) -> dict[str, Any]:
    """Map each device node of a directory to its kind, number and whether it opens for reading.

    Only block devices and a few known to be harmless are opened: opening others can have effects,
    for example on a tape or a watchdog.
    """
    found = {}
    for name in sorted(os.listdir(path)):
        full = path + "/" + name
        status = os.lstat(full)
        kind = {0o060000: "b", 0o020000: "c"}.get(status.st_mode & 0o170000)
        if kind is None:
            continue
        opened = None
        if kind == "b" or name in ("mem", "port", "kvm", "fuse", "kmsg"):
            try:
                opened = try_open(full, os.O_RDONLY)["opened"]
            except OSError as error:
                opened = errno_name(error)
        found[name] = [kind, os.major(status.st_rdev), os.minor(status.st_rdev), opened]
    return {"devices": found}


def errno_name(error: OSError) -> str:
    """Name an error as errno(3) does."""
    return errno.errorcode.get(error.errno or 0, str(error.errno))


READERS: dict[str, Callable[..., dict[str, Any]]] = {
    "file": read_file,
    "list": list_directory,
    "link": read_link,
    "open": try_open,
    "uname": kernel_name,
    "processes": list_processes,
    "descriptors": list_descriptors,
    "devices": list_devices,
}


def collect(
    wants: list[tuple[Any, ...]], readers: dict[str, Callable[..., dict[str, Any]]] = READERS
) -> dict[str, Any]:
    """Read everything asked for.

    Args:
        wants: Each (key, reader, arguments…).
        readers: Word to the reader it stands for.

    Returns:
        Key to what the reader found, to ``{"errno": name}`` where the kernel refused, or to
        ``{"error": sentence}`` where the reading itself broke.
    """
    values = {}
    for key, reader, *arguments in wants:
        try:
            values[key] = readers[reader](*arguments)
        except OSError as error:
            values[key] = {"errno": errno_name(error)}
        except Exception as error:  # noqa: BLE001  # one broken reading must not hide the others
            values[key] = {"error": type(error).__name__ + ": " + str(error)}
    return values


def raw_call(number: int, arguments: list[Any]) -> int:
    """Make one system call; return its result, or minus its error number."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    made: list[Any] = []
    for argument in arguments:
        if isinstance(argument, str):
            made.append(ctypes.c_char_p(argument.encode("latin-1")))
        elif isinstance(argument, tuple):
            made.append(ctypes.c_long(os.open(argument[0], os.O_RDONLY | os.O_CLOEXEC)))
        else:
            made.append(ctypes.c_long(argument))
    libc.syscall.restype = ctypes.c_long
    result: int = libc.syscall(ctypes.c_long(number), *made)
    return -ctypes.get_errno() if result == -1 else result


def forking_call(number: int, arguments: list[Any]) -> int:
    """Make a clone-like call; the process it makes ends at once."""
    result = raw_call(number, arguments)
    if result == 0:
        os._exit(0)
    if result > 0:
        os.waitpid(result, 0)
    return result


def machine_code(code: str) -> int:
    """Run a few instructions and return what they leave in eax."""
    import ctypes
    import mmap

    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex(code))
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return int(ctypes.CFUNCTYPE(ctypes.c_int)(address)())


def open_first(paths: list[str], flags: int) -> int:
    """Open and close the first path that exists and may be opened.

    Returns:
        0 where one opened; else minus an error number: one that is no refusal before one that is,
        and ENOENT where none exists.
    """
    worst = errno.ENOENT
    for path in paths:
        try:
            try_open(path, flags)
        except OSError as error:
            # ENOTDIR: a file among folders, as in a group of cgroup v2; ENODEV: a group just gone.
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV) and worst in (
                errno.ENOENT,
                errno.EACCES,
                errno.EPERM,
                errno.EROFS,
            ):
                worst = error.errno or worst
        else:
            return 0
    return -worst


def below_each(directory: str, name: str, flags: int) -> int:
    """Open and close the file of a name in a directory or in any directory of it."""
    try:
        folders = sorted(os.listdir(directory))
    except OSError as error:
        return -(error.errno or 2)
    paths = [directory + "/" + name]
    return open_first(paths + [directory + "/" + f + "/" + name for f in folders], flags)


def open_made_block_device(of_host: list[str]) -> int:
    """Make a node for the kernel's first block device, open it for reading, remove it.

    Args:
        of_host: Major and minor number of the host's first, for where the list is masked.
    """
    try:
        lines = read_file("/proc/partitions")["text"].split("\n")[2:]
    except OSError:
        lines = []
    numbers = [
        *[line.split()[:2] for line in lines if line.split()],
        *([of_host] if of_host else []),
    ]
    if not numbers:
        return -errno.ENXIO
    worst = errno.EROFS
    # A directory mounted nodev refuses what another allows; the host's own /dev comes last.
    for directory in ("/tmp", "/run", "", "/dev"):  # noqa: S108  # removed again at once
        node = directory + "/.tare-" + str(os.getpid())
        try:
            os.mknod(node, 0o060600, os.makedev(int(numbers[0][0]), int(numbers[0][1])))
        except OSError as error:
            worst = error.errno or worst
            continue
        try:
            try_open(node, os.O_RDONLY)
        except OSError as error:
            worst = error.errno or worst
        else:
            return 0
        finally:
            os.unlink(node)
    return -worst


TRIES: dict[str, Callable[..., int]] = {
    "call": raw_call,
    "alone": raw_call,
    "fork": forking_call,
    "code": machine_code,
    "open": open_first,
    "below": below_each,
    "block-device": open_made_block_device,
}


def try_in_turn(attempts: list[tuple[Any, ...]], writing: int) -> None:
    """Try one after the other, a line of answer each; never returns.

    A success that changes the process itself ("alone") ends it, so that none of the later
    attempts profits from it.
    """
    import signal

    for _, how, *arguments in attempts:
        try:
            signal.alarm(ATTEMPT_SECONDS)
            result = TRIES[how](*arguments)
            answer = "errno " + str(-result) if result < 0 else "value " + str(result)
        except BaseException as error:  # noqa: BLE001  # nothing may leave the child but an answer
            answer = "error " + type(error).__name__ + ": " + str(error).replace("\n", " ")
        os.write(writing, answer.encode() + b"\n")
        if how == "alone" and answer.startswith("value"):
            break
    os._exit(0)


def attempt_all(attempts: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """Try each (name, way, arguments...) in a child: success, a signal or a hang harm nobody.

    One child goes on until something ends it, since a process costs a third of a second under an
    emulated CPU; another then takes over with what is left.

    Returns:
        Name to ``["value", n]``, ``["errno", n]``, ``["signal", n]`` or ``["error", sentence]``.
    """
    answers: list[list[Any]] = []
    while len(answers) < len(attempts):
        begun = len(answers)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try_in_turn(attempts[begun:], writing)
        os.close(writing)
        lines = b"".join(iter(lambda end=reading: os.read(end, 4096), b""))  # type: ignore[misc]
        os.close(reading)
        status = os.waitpid(child, 0)[1]
        for line in lines.decode(errors="replace").splitlines():
            word, _, rest = line.partition(" ")
            answers.append([word, rest if word == "error" else int(rest)])
        if os.WIFSIGNALED(status):
            answers.append(["signal", os.WTERMSIG(status)])
        elif len(answers) == begun:
            answers.append(["error", "the attempt's process ended without an answer"])
    return {each[0]: answer for each, answer in zip(attempts, answers, strict=False)}


def escaped(code: int) -> str:
    """Escape a character by its UTF-16 units, as JSON does; file names hold lone surrogates."""
    units = chr(code).encode("utf-16-be", "surrogatepass").hex()
    return "".join("\\u" + units[i : i + 4] for i in range(0, len(units), 4))


ESCAPES = {code: escaped(code) for code in (*range(32), *range(127, 256))}
ESCAPES |= {ord('"'): '\\"', ord("\\"): "\\\\"}


def quote(text: str) -> str:
    """Quote a text; one translation for most, since a loop over characters is slow emulated."""
    quoted = text.translate(ESCAPES)
    rare = () if quoted.isascii() else quoted
    return '"' + ("".join(c if c <= "~" else escaped(ord(c)) for c in rare) or quoted) + '"'


def to_json(value: Any) -> str:
    """Write JSON; the json module would cost more time than everything else here."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict):
        return "{" + ",".join([to_json(k) + ":" + to_json(v) for k, v in value.items()]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(to_json, value)) + "]"
    return {"True": "true", "False": "false", "None": "null"}.get(repr(value), repr(value))


def main(wants: list[tuple[Any, ...]], attempts: list[tuple[Any, ...]]) -> None:
    """Read, try and print; reading comes first, close to the host's own reading."""
    began = time.monotonic_ns()
    document: dict[str, Any] = {"format": FORMAT, "values": collect(wants)}
    try:  # noqa: SIM105  # contextlib would be one more import
        # Once here instead of in every child; where it is missing, each attempt says so itself.
        import ctypes  # noqa: F401
    except ImportError:
        pass
    document["attempts"] = attempt_all(attempts)
    document["took_ns"] = time.monotonic_ns() - began
    sys.stdout.write(to_json(document) + "\n")
