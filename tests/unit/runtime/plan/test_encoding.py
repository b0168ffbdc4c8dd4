"""What the harness writes and the executor reads."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import executor
from runtime.errors import UnsupportedError
from runtime.plan import builder
from runtime.plan.steps.encoding import STEPS, encode
from runtime.plan.steps.values import values
from runtime.spec import profiles

#: Steps whose C function is named otherwise: there the name is a word of the language or of libc.
RENAMED = {
    "await": "await_token", "chroot": "change_root", "exec": "execute", "filter": "load_filter",
    "devices": "provide_devices", "pivot_root": "pivot", "unshare": "unshare_late",
}  # fmt: skip

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
integers = st.integers(-(1 << 63), (1 << 63) - 1)


class Reader:
    """Reads fields as wire.c does."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def integer(self) -> int:
        (value,) = struct.unpack_from("=q", self.data, self.at)
        self.at += 8
        return int(value)

    def text(self) -> str:
        length = self.integer()
        found = self.data[self.at : self.at + length]
        assert self.data[self.at + length] == 0
        self.at += (length + 8) // 8 * 8
        return found.decode()

    def like(self, value: Any) -> Any:
        if isinstance(value, int):
            return self.integer()
        if isinstance(value, str):
            return self.text()
        assert self.integer() == len(value)
        return tuple(
            tuple(self.like(field) for field in entry) if isinstance(entry, tuple) else
            self.like(entry)
            for entry in value
        )  # fmt: skip


@given(
    st.lists(
        st.one_of(
            integers,
            texts,
            st.lists(texts, max_size=4).map(tuple),
            st.lists(st.tuples(texts, integers), max_size=4).map(tuple),
        )
    )
)
def test_fields_are_read_as_they_were_written(fields: list[Any]) -> None:
    data = values(fields)
    assert len(data) % 8 == 0
    reader = Reader(data)
    assert [reader.like(field) for field in fields] == fields
    assert reader.at == len(data)


def test_masks_of_64_bits_pass() -> None:
    assert values([(1 << 64) - 1]) == b"\xff" * 8


def test_the_executor_numbers_steps_as_we_do() -> None:
    source = (Path(executor.__file__).parent / "plan.c").read_text()
    table = re.findall(r"^    \{\w+, (\w+)\},$", source, re.MULTILINE)
    ours = [re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower() for kind in STEPS]
    assert [RENAMED.get(name, name) for name in ours] == table


@pytest.mark.parametrize("make", [profiles.default, profiles.hardened, profiles.bare])
def test_every_profile_can_be_written(tmp_path: Path, make: Any) -> None:
    spec = make(rootfs=tmp_path, args=["true"])
    for steps in (builder.create(spec), builder.execute(spec, spec.process)):
        assert encode(builder.program(spec, spec.process, steps, filter=b"12345678"))


def test_without_a_compiler_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(UnsupportedError, match="no C compiler; install gcc"):
        executor.build(tmp_path)


def test_a_compiler_that_refuses_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'no headers here' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(UnsupportedError, match="no headers here"):
        executor.build(tmp_path)
    assert not [path for path in (tmp_path / "executor").iterdir() if path.is_file()]
