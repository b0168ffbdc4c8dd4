# Process 1 of the guest once the image is the root: starts the payload, serves the host's commands
# and reaps. It is read by the busybox of the initramfs, so nothing is asked of the image.
#
# Ports, by name: tare.stamp (3), tare.control (4), tare.out (5), tare.err (6). A port can be open
# once only, so they are opened here and inherited. Protocol: see vmdriver/agent.py.
exec 9<&-
fail() { echo "tare: fail: $*"; exec poweroff -f; }

port() {
    for name in /sys/class/virtio-ports/*/name; do
        read -r found < "$name"
        if [ "$found" = "$1" ]; then
            device=/dev/${name#/sys/class/virtio-ports/}
            device=${device%/name}
            return 0
        fi
    done
    fail "there is no virtio port named $1"
}
port tare.stamp;   exec 3<> "$device"
port tare.control; exec 4<> "$device"
port tare.out;     exec 5<> "$device"
port tare.err;     exec 6<> "$device"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset TERM

# Finds a program in the image by PATH: the shell itself would prefer busybox's own.
find_program() {
    case $1 in */*) program=$1; return ;; esac
    rest=$PATH:
    while [ -n "$rest" ]; do
        program=${rest%%:*}/$1
        rest=${rest#*:}
        [ -f "$program" ] && [ -x "$program" ] && return
    done
    echo "$1: not found in the image" >&2
    exit 127
}

# Runs one command in a session of its own, so that it can be killed with what it started.
run() {
    id=$1
    ( cd / && eval "$2" ) < "$3" >&5 2>&6 3>&- 4>&- 5>&- 6>&- &
    child=$!
    echo "started $id $child" >&4
    wait $child
    echo "exited $id $?" >&4
}

# The payload's output goes where its first byte goes, so that the host sees when it first comes.
start_payload() {
    cd / && eval "$words"
} < /dev/null >&3 4>&- 5>&- 6>&-

# Powers off: everything gets the chance to end that the host's grace allows. Where systemd is the
# init it is asked to; without it the payload's session is all there is beside us.
stop() {
    [ -d /run/systemd/system ] && init=systemd || init=
    if [ -n "$init" ]; then kill -TERM "-$payload"; else kill -TERM -1; fi 2> /dev/null
    tick=0
    while [ $tick -lt "$1" ] && [ -n "$payload" ] && kill -0 "$payload" 2> /dev/null; do
        usleep 20000
        tick=$((tick + 1))
    done
    [ -n "$init" ] && exec systemctl poweroff
    exec poweroff -f
}

serve() {
    trap '' TERM
    echo 'ready' >&4
    while read -r verb id size words <&4; do
        case $verb in
            run)
                input=/dev/null
                if [ "$size" -gt 0 ]; then
                    input=/dev/shm/tare-input-$id
                    { dd bs=4096 count=$((size / 4096)) iflag=fullblock
                      dd bs=1 count=$((size % 4096)) iflag=fullblock
                    } <&4 > "$input" 2> /dev/null
                fi
                ( trap - TERM; run "$id" "$words" "$input"; [ "$size" -gt 0 ] && rm -f "$input" ) &
                ;;
            payload) ( trap - TERM; start_payload ) & ;;
            kill) kill -KILL "-$id" 2> /dev/null || kill -KILL "$id" ;;
            stop) stop "$id" ;;
        esac
        jobs > /dev/null # reaps those that are done
    done
}

ifconfig lo up
payload=
read -r verb words <&4
if [ "$verb" = payload ]; then
    start_payload &
    payload=$!
fi
serve &
trap '' TERM
[ -n "$payload" ] && wait "$payload" && status=0 || status=$?
[ -n "$payload" ] && echo "payload ended $status" >&4
while :; do wait; usleep 1000000; done
