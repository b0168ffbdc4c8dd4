"""What the identity steps let pass and what not."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from runtime import syscalls
from runtime.operations.identity import NewKeyring

if TYPE_CHECKING:
    from runtime.operations.context import Context

CONTEXT = cast("Context", SimpleNamespace())


def refuse(number: int) -> Any:
    def call() -> None:
        raise OSError(number, "keyctl")

    return call


def test_a_kernel_without_keys_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "join_session_keyring", refuse(errno.ENOSYS))
    NewKeyring().apply(CONTEXT)


def test_a_used_up_quota_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "join_session_keyring", refuse(errno.EDQUOT))
    with pytest.raises(OSError, match="quota of keys is used up"):
        NewKeyring().apply(CONTEXT)
