#!/bin/busybox sh
# First process of the guest, in the initramfs. Every process start costs milliseconds under an
# emulator, so mounts and modules are each one process, and busybox's shell needs no other file.
# Its standard output is the serial console: the line below is the boundary "init" on the host.
echo 'tare: init'
fail() { echo "tare: fail: $*"; exec /bin/busybox poweroff -f; }

# The shell finds its own applets through /proc, so the first of them is named in full.
/bin/busybox mount -a -T /etc/fstab.kernel || fail 'cannot mount /proc, /sys and /dev'
# devtmpfs is one instance however often it is mounted: these stay there for the image's /dev.
cp -a /dev.more/. /dev/
for module in /modules/*.ko; do
    insmod "$module" || fail "the kernel refused its module $module"
done

[ -b /dev/vda ] || fail 'there is no block device /dev/vda to hold the image'
read -r parameters < /proc/cmdline
type=erofs
for parameter in $parameters; do
    case $parameter in tare.fs=*) type=${parameter#*=} ;; esac
done
# The root file system of an initramfs is a tmpfs: it holds the overlay's writable half itself.
mount -t "$type" -o ro /dev/vda /image || fail "cannot mount the image on /dev/vda as $type"
mount -a -T /etc/fstab.root || fail 'cannot mount the overlay of the image'

rm -f /modules/*
cd /root || fail 'the overlay vanished'
mount --move . / || fail 'cannot move the overlay to /'
# The old root is out of reach from here; busybox goes on through /proc/self/exe, the script by 9.
exec 9< /agent.sh 5<> /pipe.out 6<> /pipe.err
exec chroot . sh /proc/self/fd/9
