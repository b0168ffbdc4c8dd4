"""Harness whose workload waits in the kernel where no signal reaches it.

Run as a program, with a folder and an image. The workload sends a request to a file system in
user space (FUSE) that does not answer; at the end the request is aborted, so nothing stays behind.
All is in a mount namespace of its own.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import threading
from dataclasses import replace
from pathlib import Path

from runtime import Engine, Mount, SetupError, Spec
from runtime.spec import profiles

libc = ctypes.CDLL(None, use_errno=True)
MS_REC_PRIVATE = 16384 | 1 << 18
MNT_DETACH = 2
FUSE_GETATTR, FUSE_INIT = 3, 26  # include/uapi/linux/fuse.h


def serve(device: int, asked: threading.Event) -> None:
    """Answer what a mount and a look at its root take, until anything else is asked."""
    while True:
        request = os.read(device, 1 << 17)
        _, kind, unique, _ = struct.unpack_from("=IIQQ", request)
        if kind == FUSE_INIT:
            body = struct.pack("=IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 4096, 1, 1, 0, 0)
        elif kind == FUSE_GETATTR:
            times_and_size = (0,) * 8
            body = struct.pack(
                "=QII6Q10I", 60, 0, 0, 1, *times_and_size, 0o40755, 2, 0, 0, 0, 4096, 0
            )
        else:
            asked.set()
            return
        os.write(device, struct.pack("=IiQ", 16 + len(body), 0, unique) + body)


def running(spec: Spec, *args: str) -> Spec:
    return replace(spec, process=replace(spec.process, args=args))


def main(folder: Path, rootfs: Path) -> None:
    os.unshare(os.CLONE_NEWNS)
    assert libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) == 0
    place = folder / "hang"
    place.mkdir()
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    mounted = libc.mount(b"tare-hang", os.fsencode(place), b"fuse", 0, options.encode())
    assert mounted == 0, os.strerror(ctypes.get_errno())
    asked = threading.Event()
    threading.Thread(target=serve, args=(device, asked), daemon=True).start()
    spec = profiles.default(rootfs=rootfs, args=["true"])
    bind = Mount(destination="/hang", type="bind", source=str(place), options=("bind",))
    asking = replace(running(spec, "cat", "/hang/file"), mounts=(*spec.mounts, bind))
    with Engine(folder / "state") as engine:
        container = engine.run(asking)
        try:
            assert asked.wait(10)
            try:
                container.delete()
            except SetupError as error:
                print(error)
            with engine.run(spec) as other:
                print("another ended with", other.wait(10))
        finally:
            libc.umount2(os.fsencode(place), MNT_DETACH)
            os.close(device)  # the last descriptor: the file system is given up
        container.delete()
        print("deleted at last")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
