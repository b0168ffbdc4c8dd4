"""The interpreter, against the kernel's description of the instructions."""

from __future__ import annotations

import struct

import pytest

from runtime.seccomp.evaluate import ProgramError, evaluate

RETURN_A = (0x16, 0, 0, 0)


def run(*steps: tuple[int, int, int, int], number: int = 7, args: tuple[int, ...] = ()) -> int:
    program = b"".join(struct.pack("=HBBI", *step) for step in steps)
    return evaluate(program, 0xC000003E, number, args, instruction_pointer=0x1122334455667788)


def test_loads_words_of_the_data() -> None:
    high_first = struct.unpack("=II", struct.pack("=Q", 0xAABBCCDD00000001))
    assert run((0x20, 0, 0, 0), RETURN_A) == 7
    assert run((0x20, 0, 0, 4), RETURN_A) == 0xC000003E
    for at in (0, 4):
        seen = run((0x20, 0, 0, 24 + at), RETURN_A, args=(5, 0xAABBCCDD00000001))
        assert seen == high_first[at // 4]
    assert run((0x80, 0, 0, 0), RETURN_A) == 64


def test_negative_numbers_and_arguments_wrap_as_registers_do() -> None:
    assert run((0x20, 0, 0, 0), RETURN_A, number=-1) == 0xFFFFFFFF
    assert run((0x20, 0, 0, 16), RETURN_A, args=(-1,)) == 0xFFFFFFFF


@pytest.mark.parametrize(
    ("operation", "operand", "result"),
    [
        (0x00, 0xFFFFFFFF, 11), (0x10, 13, 0xFFFFFFFF), (0x20, 0x80000001, 0x0000000C),
        (0x30, 5, 2), (0x30, 0, 0), (0x40, 1, 13), (0x50, 6, 4), (0x60, 30, 0), (0x60, 33, 24),
        (0x70, 2, 3), (0xA0, 5, 9), (0x80, 0, 0xFFFFFFF4),
    ],
)  # fmt: skip
@pytest.mark.parametrize("from_x", [False, True])
def test_arithmetic_wraps_at_32_bits(
    operation: int, operand: int, result: int, *, from_x: bool
) -> None:
    steps = [(0x00, 0, 0, 12)]
    if from_x:
        steps += [(0x01, 0, 0, operand), (0x0C | operation, 0, 0, 0)]
    else:
        steps += [(0x04 | operation, 0, 0, operand)]
    assert run(*steps, RETURN_A) == result


@pytest.mark.parametrize(
    ("operation", "operand", "taken"),
    [(0x10, 12, True), (0x10, 13, False), (0x20, 11, True), (0x20, 12, False),
     (0x30, 12, True), (0x30, 13, False), (0x40, 4, True), (0x40, 3, False)],
)  # fmt: skip
def test_branches(operation: int, operand: int, *, taken: bool) -> None:
    steps = [(0x00, 0, 0, 12), (0x05 | operation, 1, 0, operand)]
    assert run(*steps, (0x06, 0, 0, 1), (0x06, 0, 0, 2)) == (2 if taken else 1)
    with_x = [(0x00, 0, 0, 12), (0x01, 0, 0, operand), (0x0D | operation, 1, 0, 0)]
    assert run(*with_x, (0x06, 0, 0, 1), (0x06, 0, 0, 2)) == (2 if taken else 1)


def test_memory_cells_and_registers() -> None:
    moved = [(0x00, 0, 0, 9), (0x02, 0, 0, 3), (0x61, 0, 0, 3), (0x00, 0, 0, 0), (0x87, 0, 0, 0)]
    assert run(*moved, RETURN_A) == 9
    kept = [(0x00, 0, 0, 8), (0x07, 0, 0, 0), (0x03, 0, 0, 15), (0x60, 0, 0, 15)]
    assert run(*kept, RETURN_A) == 8
    assert run((0x05, 0, 0, 1), (0x06, 0, 0, 1), (0x06, 0, 0, 2)) == 2


@pytest.mark.parametrize(
    "step",
    [(0x20, 0, 0, 2), (0x20, 0, 0, 64), (0x28, 0, 0, 0x1000), (0x04 | 0x90, 0, 0, 1),
     (0x02, 0, 0, 16), (0x05, 0, 0, 9), (0x40, 0, 0, 0)],
)  # fmt: skip
def test_what_the_kernel_refuses_is_no_program(step: tuple[int, int, int, int]) -> None:
    with pytest.raises(ProgramError):
        run(step)
