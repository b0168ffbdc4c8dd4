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
read -r parameters < /proc/cmdline
type=erofs root=/dev/vda flags=ro load=virtio_blk,erofs
for parameter in $parameters; do
    case $parameter in
        tare.root=*) root=${parameter#*=} ;;
        tare.fs=*) type=${parameter#*=} ;;
        tare.flags=*) flags=ro,${parameter#*=} ;;
        tare.load=*) load=${parameter#*=} ;;
    esac
done
# Two drivers may need the same module, which the kernel takes once only.
IFS=,
for driver in always $load; do
    for module in /modules/$driver/*.ko; do
        name=${module##*/??-}
        [ ! -e "$module" ] || [ -d "/sys/module/${name%.ko}" ] ||
            insmod "$module" || fail "the kernel refused its module $module"
    done
done
unset IFS

case $root in
    /dev/*) [ -b "$root" ] || fail "there is no block device $root to hold the image" ;;
esac
# The root file system of an initramfs is a tmpfs: it holds the overlay's writable half itself.
mount -t "$type" -o "$flags" "$root" /image || fail "cannot mount the image on $root as $type"
mount -a -T /etc/fstab.root || fail 'cannot mount the overlay of the image'

rm -rf /modules
cd /root || fail 'the overlay vanished'
mount --move . / || fail 'cannot move the overlay to /'
# The old root is out of reach from here; busybox goes on through /proc/self/exe, the script by 9,
# what carries the commands' output by 8.
exec 9< /agent.sh 8< /relay 5<> /pipe.out 6<> /pipe.err
exec chroot . sh /proc/self/fd/9
