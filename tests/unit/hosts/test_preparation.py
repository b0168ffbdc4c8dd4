"""What a host's disk is made of."""

from __future__ import annotations

import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from tests.hosts.framework import checkout, disk, image
from tests.hosts.framework.hosts import DEBIAN_13, HOSTS

VERSIONS = st.from_regex(
    r"#[1-9][0-9]? SMP PREEMPT_DYNAMIC Debian 6\.[0-9.]{1,9}-1", fullmatch=True
)


@given(version=VERSIONS, at=st.integers(0x20, 0x3000))
def test_the_version_of_a_kernel_is_read_from_its_header(version: str, at: int) -> None:
    kernel = bytearray(0x8000)
    kernel[0x20E:0x210] = at.to_bytes(2, "little")
    text = f"6.12.1-cloud-amd64 (kernel@example.org) {version}".encode() + b"\0"
    kernel[0x200 + at : 0x200 + at + len(text)] = text
    assert image.version_in(bytes(kernel)) == version


def test_hosts_with_the_same_packages_share_a_disk() -> None:
    same = {disk.digest_of(HOSTS[name]) for name in ("debian13", "no-svm", "numa", "isolcpus")}
    assert same == {disk.digest_of(DEBIAN_13)}
    assert disk.digest_of(HOSTS["libvirtd"]) not in same


def test_the_checkout_is_carried_as_it_stands_without_what_is_built() -> None:
    packed = io.BytesIO()
    checkout.write_tar(packed)
    packed.seek(0)
    with tarfile.open(fileobj=packed, mode="r|") as archive:
        members = {member.name: member for member in archive}
    assert members["scripts/setup"].mode & 0o111
    assert {member.uid for member in members.values()} == {0}
    assert not any(name.startswith((".venv/", "build/")) for name in members)
