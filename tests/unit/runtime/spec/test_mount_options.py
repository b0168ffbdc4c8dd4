"""Every option of the OCI text, by what the kernel is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.spec import mount_options
from runtime.spec.mount_options import MountOptions, parse

REC = 1 << 14

#: Every name in the table of config.md (runtime-spec 1.3.0).
NAMED = """
    async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev
    nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow
    private ratime rbind rdev rdiratime relatime remount rexec rnoatime rnodiratime rnoexec
    rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave
    rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync
    tmpcopyup unbindable idmap ridmap
    """.split()  # noqa: SIM905  # as they stand in the text


@pytest.mark.parametrize("name", NAMED)
def test_no_option_of_the_text_goes_to_the_file_system(name: str) -> None:
    assert name in mount_options.KNOWN
    assert parse([name]).data == ()


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("", MountOptions()),
        ("ro,nosuid,nodev,noexec", MountOptions(attr_set=0x0F)),
        ("rw,suid,dev,exec", MountOptions(attr_clr=0x0F)),
        ("ro,rw", MountOptions(attr_clr=1)),
        ("rw,ro", MountOptions(attr_set=1)),
        ("nosymfollow,nodiratime", MountOptions(attr_set=0x200080)),
        ("symfollow,diratime", MountOptions(attr_clr=0x200080)),
        ("noatime", MountOptions(attr_set=0x10, attr_clr=0x70)),
        ("strictatime", MountOptions(attr_set=0x20, attr_clr=0x70)),
        ("relatime", MountOptions(attr_clr=0x70)),
        ("noatime,strictatime", MountOptions(attr_set=0x20, attr_clr=0x70)),
        ("noatime,atime", MountOptions(attr_clr=0x70)),
        ("noatime,nostrictatime", MountOptions(attr_set=0x10, attr_clr=0x70)),
        ("norelatime", MountOptions(attr_clr=0x70)),
        ("rro,rnoexec", MountOptions(recursive_attr_set=0x09)),
        ("rro,rrw", MountOptions(recursive_attr_clr=1)),
        ("rnoatime", MountOptions(recursive_attr_set=0x10, recursive_attr_clr=0x70)),
        ("rdev,rsuid", MountOptions(recursive_attr_clr=0x06)),
        ("ro,rrw", MountOptions(attr_set=1, recursive_attr_clr=1)),
        ("bind", MountOptions(bind=True)),
        ("rbind", MountOptions(bind=True, recursive=True)),
        ("bind,rbind", MountOptions(bind=True, recursive=True)),
        ("bind,remount,ro", MountOptions(bind=True, remount=True, attr_set=1)),
        ("private", MountOptions(propagation=(1 << 18,))),
        ("rslave,shared", MountOptions(propagation=(1 << 19 | REC, 1 << 20))),
        ("runbindable", MountOptions(propagation=(1 << 17 | REC,))),
        ("sync,lazytime", MountOptions(superblock=("sync", "lazytime"))),
        ("sync,async,dirsync", MountOptions(superblock=("dirsync",))),
        ("defaults,silent,loud,iversion,noiversion,nomand", MountOptions()),
        ("idmap", MountOptions(idmap="idmap")),
        ("rbind,ridmap", MountOptions(bind=True, recursive=True, idmap="ridmap")),
        ("tmpcopyup", MountOptions(copy_up=True)),
        (
            "mode=755,size=64k,newinstance,context=a=b",
            MountOptions(
                data=(("mode", "755"), ("size", "64k"), ("newinstance", ""), ("context", "a=b"))
            ),
        ),
        ("acl,rsync,r,", MountOptions(data=(("acl", ""), ("rsync", ""), ("r", ""), ("", "")))),
    ],
)
def test_what_an_option_asks_for(options: str, found: MountOptions) -> None:
    assert parse(options.split(",") if options else ()) == found


@given(st.lists(st.sampled_from(mount_options.KNOWN) | st.text(max_size=6), max_size=8))
def test_any_options_ask_for_something_that_does_not_contradict_itself(options: list[str]) -> None:
    found = parse(options)
    choice = mount_options.MOUNT_ATTR_ATIME
    assert not found.attr_set & found.attr_clr & ~choice
    assert not found.recursive_attr_set & found.recursive_attr_clr & ~choice
    assert len(found.data) == sum(option not in mount_options.KNOWN for option in options)
