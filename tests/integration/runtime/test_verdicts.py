"""The kernel's verdict on every call number, against the interpreter's.

Each answer of a filter is replaced by an error number of its own, so that no call is carried out,
whatever the filter says to it.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runtime import seccomp
from runtime.seccomp import actions, library
from runtime.seccomp.evaluate import evaluate

if TYPE_CHECKING:
    from pathlib import Path

#: uretprobe and uprobe are not judged by a filter, and kill whoever makes them by himself.
PROBES = (335, 336) if library.native_architecture() == 0xC000003E else ()
NUMBERS = (
    *(number for number in range(600) if number not in PROBES),
    *(0x40000000, 0x40000027, 0x400001FF, 0x7FFFFFFF),
)
#: Families, flags of clone and personas, plain and with something in the upper half.
ARGUMENTS = (0, 1, 12, 16, 17, 38, 40, 45, 0x11, 0x10000011, 0x20000, (1 << 32) | 38, 0xFFFFFFFF)
#: Asks in a child that can make no call any more; it writes to shared memory and is killed.
PROGRAM = """
import ctypes, gc, json, mmap, os, signal, sys, time
program = open(sys.argv[1], "rb").read()
numbers, arguments = json.loads(sys.argv[2])
shared = mmap.mmap(-1, 2 * (len(numbers) * len(arguments) + 1))
cells = memoryview(shared).cast("H")
libc = ctypes.CDLL(None, use_errno=True)
class SockFprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_uint16), ("filter", ctypes.c_void_p))
buffer = ctypes.create_string_buffer(program, len(program))
fprog = SockFprog(len(program) // 8, ctypes.addressof(buffer))
calls = [(ctypes.c_long(n), ctypes.c_ulong(a)) for a in arguments for n in numbers]
gc.disable()
pid = os.fork()
if pid == 0:
    libc.prctl(38, 1, 0, 0, 0)
    if libc.prctl(22, 2, ctypes.byref(fprog), 0, 0):
        os._exit(1)
    for at, (number, argument) in enumerate(calls):
        libc.syscall(number, argument, argument, 0, 0, 0, 0)
        cells[at] = ctypes.get_errno()
    cells[len(calls)] = 1
    while True:
        pass
end = time.monotonic() + 10
while not cells[len(calls)] and time.monotonic() < end:
    time.sleep(0.002)
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
print(json.dumps(list(cells)))
"""


def masked(program: bytes) -> tuple[bytes, dict[int, int]]:
    """The program with an error number for each of its answers, and which stands for which."""
    steps = list(struct.iter_unpack("=HBBI", program))
    answers = sorted({value for code, _, _, value in steps if code == 0x06})
    numbers = {answer: 2000 + at for at, answer in enumerate(answers)}
    changed = [
        (code, yes, no, actions.refuse(numbers[value]) if code == 0x06 else value)
        for code, yes, no, value in steps
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in changed), numbers


DOCKERS_KIND = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [
        {"names": list(seccomp.find("default").calls()), "action": "SCMP_ACT_ALLOW"},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
         "args": [{"index": 0, "value": 38, "op": "SCMP_CMP_LT"}]},
        {"names": ["socket"], "action": "SCMP_ACT_TRACE",
         "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_GT"}]},
        {"names": ["clone", "personality"], "action": "SCMP_ACT_LOG",
         "args": [{"index": 0, "value": 0x7E020000, "op": "SCMP_CMP_MASKED_EQ"}]},
        {"names": ["clone3"], "action": "SCMP_ACT_KILL_PROCESS"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", [*seccomp.PROFILES, "default:log", "object"])
def test_the_kernel_judges_as_the_interpreter_does(tmp_path: Path, name: str) -> None:
    if name == "object":
        own = ("X86", "X32") if library.native_architecture() == 0xC000003E else ()
        listed = [f"SCMP_ARCH_{word}" for word in own]
        program = seccomp.compile_object(DOCKERS_KIND | {"architectures": listed}).program
    else:
        program = seccomp.compile_profile(name)
    changed, numbers = masked(program)
    file = tmp_path / "filter"
    file.write_bytes(changed)
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(file)]
    done = subprocess.run(
        [*command, json.dumps((NUMBERS, ARGUMENTS))],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *found, complete = json.loads(done.stdout)
    assert complete
    asked = [(number, argument) for argument in ARGUMENTS for number in NUMBERS]
    native = library.native_architecture()
    wrong = [
        (number, argument)
        for (number, argument), answer in zip(asked, found, strict=True)
        if numbers[evaluate(program, native, number, (argument, argument))] != answer
    ]
    assert wrong == []
