#!/bin/bash
# Sets the project up in a tree, natively: DIR is the tree, and becomes the root of this script's own
# mount namespace. Called by tree.py; needs root.
set -euo pipefail
tree=$1
mount --bind "$tree" "$tree"
mount --rbind /dev "$tree/dev"
mount --rbind /sys "$tree/sys"
mount -t proc proc "$tree/proc"
mount -t tmpfs tmpfs "$tree/run"
mount -t tmpfs tmpfs "$tree/tmp"
cd "$tree"
pivot_root . mnt # a real root, as a booted host has, and not a plain chroot
exec chroot . /bin/bash -euo pipefail -c '
  umount -l /mnt
  cd /root/src
  make setup-test
  .venv/bin/python -m tests.hosts.framework.image
  # Python under emulation takes minutes to compile what it imports. Sources are copied in anew at
  # each boot: their compiled forms are checked by content.
  .venv/bin/python -m compileall -q -j 2 .venv/lib || true
  .venv/bin/python -m compileall -q -j 2 --invalidation-mode checked-hash \
    benchmarks reports runtime tare tests vmdriver
  systemctl --quiet disable docker.service docker.socket containerd.service podman.socket || true
  # what would wake up by itself beside a test
  systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer fstrim.timer man-db.timer
  apt-get clean
'
