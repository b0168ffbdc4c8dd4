"""What is read out of libvirt's words, and what becomes of a call that QEMU does not answer."""

import os
import threading
import time

import pytest

from vmdriver import RefusedError, VmError, VmGoneError
from vmdriver.libvirt.connection import _owner
from vmdriver.libvirt.time_limit import limited

MODEL = """
<secmodel><model>{}</model><doi>0</doi>
  <baselabel type='kvm'>+1:+2</baselabel><baselabel type='qemu'>+{}:+106</baselabel>
</secmodel>"""


def capabilities(*models: str) -> str:
    return f"<capabilities><host>{''.join(models)}</host></capabilities>"


def test_a_daemon_s_own_user_for_qemu_is_found() -> None:
    both = capabilities(MODEL.format("apparmor", 5), MODEL.format("dac", 64055))
    assert _owner(both) == (64055, 106)


def test_a_daemon_without_one_or_with_ours_gives_none() -> None:
    assert _owner(capabilities()) is None
    assert _owner(capabilities("<secmodel><model>none</model><doi>0</doi></secmodel>")) is None
    assert _owner(capabilities(MODEL.format("dac", os.geteuid()))) is None


def test_a_call_that_takes_too_long_is_given_up_and_named() -> None:
    killed = threading.Event()
    error = VmGoneError("QEMU said nothing")

    def fail() -> None:
        with limited(0.05, killed.set, error):
            assert killed.wait(10)
            raise VmError("end of file from the monitor")

    with pytest.raises(VmGoneError, match="said nothing"):
        fail()


def test_a_call_in_time_keeps_its_own_outcome() -> None:
    killed = threading.Event()
    before = threading.active_count()
    with limited(60, killed.set, VmGoneError("late")):
        time.sleep(0)
    with (
        pytest.raises(RefusedError, match="its own"),
        limited(60, killed.set, VmGoneError("late")),
    ):
        raise RefusedError("its own words")
    assert not killed.is_set()
    assert threading.active_count() == before
