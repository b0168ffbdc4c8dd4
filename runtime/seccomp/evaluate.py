"""An interpreter of seccomp's classic BPF: a filter's answers, without loading it.

Source: kernel/seccomp.c (seccomp_check_filter, which lists the instructions a filter may have) and
net/core/filter.c (what they do); struct seccomp_data of include/uapi/linux/seccomp.h.
"""

import struct
from collections.abc import Callable, Sequence

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
X32_BIT = 0x40000000

_WORD = 0xFFFFFFFF
_DATA = struct.Struct("=IIQ6Q")
_INSTRUCTION = struct.Struct("=HBBI")
_CELLS = 16
_ARGUMENTS = 6

_CLASS, _SOURCE_X = 0x07, 0x08
_LD, _LDX, _ST, _STX, _ALU, _JMP, _RET, _MISC = range(8)
_MODE, _ABSOLUTE, _IMMEDIATE, _MEMORY, _LENGTH = 0xE0, 0x20, 0x00, 0x60, 0x80
_OPERATION = 0xF0
_ACCUMULATOR, _TXA = 0x10, 0x80

_ALU_OPERATIONS: dict[int, Callable[[int, int], int]] = {
    0x00: lambda a, b: a + b,
    0x10: lambda a, b: a - b,
    0x20: lambda a, b: a * b,
    0x30: lambda a, b: a // b,
    0x40: lambda a, b: a | b,
    0x50: lambda a, b: a & b,
    0x60: lambda a, b: a << (b & 31),
    0x70: lambda a, b: a >> (b & 31),
    0x80: lambda a, _: -a,
    0xA0: lambda a, b: a ^ b,
}
_DIVIDE = 0x30
_COMPARISONS: dict[int, Callable[[int, int], bool]] = {
    0x10: lambda a, b: a == b,
    0x20: lambda a, b: a > b,
    0x30: lambda a, b: a >= b,
    0x40: lambda a, b: bool(a & b),
}


class ProgramError(ValueError):
    """The program is none that the kernel would take as a filter."""


def evaluate(
    program: bytes,
    arch: int,
    number: int,
    args: Sequence[int] = (),
    *,
    instruction_pointer: int = 0,
) -> int:
    """The action that a filter answers a call with, its data in the low sixteen bits.

    Args:
        program: an array of struct sock_filter.
        arch: AUDIT_ARCH_* of the entry by which the call is made.
        number: of the call.
        args: up to six arguments, 64 bits each; further ones are 0.
        instruction_pointer: of the caller.

    Raises:
        ProgramError: the kernel would refuse the program, or it runs off its end.
    """
    padded = [argument & (1 << 64) - 1 for argument in args]
    padded += [0] * (_ARGUMENTS - len(padded))
    data = _DATA.pack(number & _WORD, arch, instruction_pointer, *padded)
    return _Machine(program, data).run()


class _Machine:
    def __init__(self, program: bytes, data: bytes) -> None:
        self._program, self._data = program, data
        self._a = self._x = self._at = 0
        self._cells = [0] * _CELLS

    def run(self) -> int:
        while True:
            try:
                code, yes, no, k = _INSTRUCTION.unpack_from(self._program, 8 * self._at)
            except struct.error:
                raise ProgramError(f"the program runs off its end at {self._at}") from None
            self._at += 1
            kind = code & _CLASS
            if kind == _RET:
                return self._a if code & _ACCUMULATOR else k
            if kind == _JMP:
                self._jump(code, yes, no, k)
            elif kind == _ALU:
                self._calculate(code, k)
            elif kind == _MISC:
                if code & _TXA:
                    self._a = self._x
                else:
                    self._x = self._a
            elif kind in (_LD, _LDX):
                self._load(code, k)
            else:
                self._cells[self._cell(k)] = self._a if kind == _ST else self._x

    def _load(self, code: int, k: int) -> None:
        mode = code & _MODE
        if mode == _ABSOLUTE and code & _CLASS == _LD:
            if k % 4 or k >= len(self._data):
                raise ProgramError(f"a load from {k} is not a word of struct seccomp_data")
            (value,) = struct.unpack_from("=I", self._data, k)
        elif mode == _IMMEDIATE:
            value = k
        elif mode == _MEMORY:
            value = self._cells[self._cell(k)]
        elif mode == _LENGTH:
            value = len(self._data)
        else:
            raise ProgramError(f"a filter may not have the instruction {code:#x}")
        if code & _CLASS == _LD:
            self._a = value
        else:
            self._x = value

    def _calculate(self, code: int, k: int) -> None:
        operation = code & _OPERATION
        operand = self._x if code & _SOURCE_X else k
        if operation not in _ALU_OPERATIONS:
            raise ProgramError(f"a filter may not have the instruction {code:#x}")
        if operation == _DIVIDE and operand == 0:
            self._a = 0
        else:
            self._a = _ALU_OPERATIONS[operation](self._a, operand) & _WORD

    def _jump(self, code: int, yes: int, no: int, k: int) -> None:
        operation = code & _OPERATION
        if operation == 0:
            self._at += k
            return
        if operation not in _COMPARISONS:
            raise ProgramError(f"a filter may not have the instruction {code:#x}")
        operand = self._x if code & _SOURCE_X else k
        self._at += yes if _COMPARISONS[operation](self._a, operand) else no

    @staticmethod
    def _cell(k: int) -> int:
        if k >= _CELLS:
            raise ProgramError(f"there is no memory cell {k}")
        return k
