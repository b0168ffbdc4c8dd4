# Process 1 of the guest once the image is the root: starts the payload, serves the host's commands
# and reaps. It is read by the busybox of the initramfs, so nothing is asked of the image.
#
# Ports, by name: tare.stamp (3) and tare.control (4), open here and inherited; tare.out and tare.err,
# which can be open once only, by whoever relays to them what commands write into two pipes (5, 6):
# a pipe can be opened by name as well, as /dev/stdout; see relay.S. Protocol: see vmdriver/agent/.
exec 9<&-
fail() { echo "tare: fail: $*"; exec poweroff -f; }

# The driver of the ports learns their names from the host, one by one, after it was loaded.
port() {
    tick=0
    while [ $tick -lt 3000 ]; do
        for name in /sys/class/virtio-ports/*/name; do
            found=
            [ -e "$name" ] && read -r found < "$name"
            if [ "$found" = "$1" ]; then
                device=/dev/${name#/sys/class/virtio-ports/}
                device=${device%/name}
                return 0
            fi
        done
        usleep 10000
        tick=$((tick + 1))
    done
    fail "there is no virtio port named $1"
}
# Our own init has opened the pipes and the carrier; systemd has not.
relay=/proc/self/fd/8
if [ ! -p /proc/self/fd/5 ]; then
    relay=/usr/lib/tare/relay
    mkfifo -m 600 /run/tare.out /run/tare.err
    exec 5<> /run/tare.out 6<> /run/tare.err
    rm -f /run/tare.out /run/tare.err
fi
port tare.stamp;   exec 3<> "$device"
port tare.control; exec 4<> "$device"
trap '' TERM # inherited: carriers outlive what ends with the payload
port tare.out; $relay <&5 > "$device" 3>&- 4>&- 5>&- 6>&- &
port tare.err; $relay <&6 > "$device" 3>&- 4>&- 5>&- 6>&- &
trap - TERM
exec 8<&-
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

# Runs one command in a session of its own, so that it can be killed with what it started. The mark
# behind its output, which nobody else knows, tells the host that all of it has arrived.
run() {
    id=$1
    ( cd / && eval "$3" ) < "$4" >&5 2>&6 3>&- 4>&- 5>&- 6>&- &
    child=$!
    echo "started $id $child" >&4
    wait $child
    status=$?
    echo "exited $id $status" >&4
    printf %s "$2" >&5
    printf %s "$2" >&6
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
    while read -r verb id size mark words <&4; do
        case $verb in
            run)
                input=/dev/null
                if [ "$size" -gt 0 ]; then
                    input=/dev/shm/tare-input-$id
                    whole=$((size / 65536)) rest=$((size % 65536))
                    { [ $whole -eq 0 ] || dd bs=65536 count=$whole iflag=fullblock
                      [ $rest -eq 0 ] || dd bs=$rest count=1 iflag=fullblock
                    } <&4 > "$input" 2> /dev/null
                fi
                ( trap - TERM; run "$id" "$mark" "$words" "$input"; [ "$size" -gt 0 ] && rm -f "$input" ) &
                ;;
            payload) ( trap - TERM; start_payload ) & ;;
            ping) echo "pong $id 0" >&4 ;;
            kill) kill -KILL "-$id" 2> /dev/null || kill -KILL "$id" ;;
            stop) stop "$id" ;;
        esac
        jobs > /dev/null # reaps those that are done
    done
}

# Gives the only interface that is a device its address, gateway and name server, where told.
network() {
    told=
    for parameter in $parameters; do
        case $parameter in tare.net=*) told=${parameter#*=} ;; esac
    done
    [ -n "$told" ] || return 0
    address=${told%%,*} told=${told#*,}
    gateway=${told%%,*} server=${told#*,}
    for device in /sys/class/net/*/device; do interface=${device%/device}; done
    interface=${interface#/sys/class/net/}
    [ -d "/sys/class/net/$interface" ] || fail 'there is no network interface'
    ip address add "$address" dev "$interface" && ip link set "$interface" up ||
        fail "the interface $interface does not take the address $address"
    [ -z "$gateway" ] || ip route add default via "$gateway" ||
        fail "the interface $interface has no way to its gateway $gateway"
    [ -z "$server" ] || echo "nameserver $server" > /etc/resolv.conf
}

ifconfig lo up
read -r parameters < /proc/cmdline
network
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
