from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.errors import RunFolderError
from benchmarks.results.evidence import Evidence

if TYPE_CHECKING:
    from pathlib import Path

FORMS = [".json", ".json.gz", ".jsonl"]


@pytest.mark.parametrize("suffix", FORMS)
@pytest.mark.parametrize("kept", [[], [{"a": "1\n2"}, {"b": ""}]])
def test_what_is_kept_is_read_again(
    tmp_path: Path, suffix: str, kept: list[dict[str, str]]
) -> None:
    evidence = Evidence("seen", list[dict[str, str]], suffix)
    evidence.write(tmp_path, kept, "oci:crun")
    assert [path.name for path in tmp_path.iterdir()] == [f"seen-oci.crun{suffix}"]
    assert evidence.read(tmp_path, "oci:crun") == kept
    assert evidence.read(tmp_path, "vm") is None


@pytest.mark.parametrize("suffix", FORMS)
@pytest.mark.parametrize("damage", [b"", b"\x1f\x8b\x08damage", b"[{", b'{"a": 1}\n{'])
def test_damage_is_one_sentence(tmp_path: Path, suffix: str, damage: bytes) -> None:
    if (suffix, damage) == (".jsonl", b""):
        return  # no lines are a list of nothing
    evidence = Evidence("seen", list[dict[str, str]], suffix)
    evidence.path(tmp_path, "vm").write_bytes(damage)
    with pytest.raises(
        RunFolderError, match=r"seen-vm.* is damaged .*restore the file from a copy"
    ):
        evidence.read(tmp_path, "vm")


def test_those_of_several_sandboxes_are_read_by_name(tmp_path: Path) -> None:
    evidence = Evidence("sent", str)
    evidence.write(tmp_path, "second", "vm", "fake:slow")
    evidence.write(tmp_path, "first", "fake:slow", "vm")
    assert list(evidence.read_all(tmp_path)) == ["first", "second"]
    assert (tmp_path / "sent-vm-to-fake.slow.json").exists()
