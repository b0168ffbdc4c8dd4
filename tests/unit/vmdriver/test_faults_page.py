"""The page's table of faults is whole: every error stands in it, and every row has a test."""

from pathlib import Path

import vmdriver
from tests import integration
from tests.framework import fault_table

FOLDER = Path(integration.__file__).parent / "vmdriver"
NOT_OF_A_VM = {"VmError", "StartError", "GuestBuildError"}


def test_every_fault_of_the_page_is_brought_about() -> None:
    table = fault_table.table()
    assert len(table) > 25
    tests = "".join(path.read_text() for path in FOLDER.glob("test_*.py"))
    assert [fault for fault in table if f'"{fault}"' not in tests] == []


def test_every_error_stands_on_the_page() -> None:
    errors = {name for name in vmdriver.__all__ if name.endswith("Error")}
    told = {row.error.__name__ for row in fault_table.table().values()}
    assert told - NOT_OF_A_VM == errors - NOT_OF_A_VM


def test_a_page_s_message_stands_for_those_with_other_numbers_and_names() -> None:
    row = fault_table.Fault("x", vmdriver.VmError, "… did not (…) within 2.5 s: is it there?")
    assert row.is_told_by("the VM a did not (b c) within 30 s: is it there?")
    assert not row.is_told_by("the VM a did not (b c) within 30 s")
    assert not row.is_told_by("the VM a did not (b c) within x s: is it there?")
