"""What a host looks like from outside a command: run there, and compared with what it was before.

Run as ``python3 -I -S state.py``; writes one JSON object of {kind: {thing: how it is}}. It imports
nothing of the project, so that it neither starts nor changes anything.
"""

import json
import os
import re
import stat
import subprocess
import sys

_COUNTERS = re.compile(
    r"^(?:fs/(?:dentry-state|file-nr|inode-nr|inode-state|aio-nr)|kernel/(?:ns_last_pid|pty/nr|"
    r"random/(?:boot_id|entropy_avail|uuid))|net/netfilter/nf_conntrack_count|"
    r"kernel/sched_domain/.*|.*/stat_refresh|.*/flush|.*/stable_secret|"
    # systemd-journald and sshd move with the load
    r"fs/quota/.*)$"
)
"""Files under /proc/sys that count or that act when they are read, and are no settings."""

_SETTINGS = (
    "/sys/kernel/mm/ksm/run",
    "/sys/kernel/mm/ksm/pages_to_scan",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/kernel/mm/transparent_hugepage/defrag",
    "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/smt/control",
)
_FOLDERS = ("/etc", "/tmp", "/run", "/var/tmp", "/var/lib", "/dev/shm")
_MOVING = re.compile(
    r"^/(?:run/(?:systemd|user|udev|log|sudo|dbus|lock|credentials|utmp|sshd|motd\S*|"
    r"containers|libpod|crun|runc|docker|containerd)|"
    # journals, random seed, timers' stamps, logins; what podman and docker keep is theirs
    r"var/lib/(?:systemd|lastlog|logrotate|dbus|private|apt/daily_lock|containers|docker|"
    r"containerd|sudo|NetworkManager|dpkg/lock\S*|apt/lists/lock|apt/periodic)|"
    r"tmp/systemd-private\S*|var/tmp/systemd-private\S*|"
    r"etc/(?:resolv\.conf|machine-id|\.updated|\.pwd\.lock))(?:/|$)"
)
_OWN_SESSION = re.compile(r"^sshd|\(sd-pam\)|^/usr/lib/systemd/systemd --user|^ssh")


def mounts() -> dict[str, str]:
    """Every mount that PID 1 sees, with its propagation."""
    found: dict[str, str] = {}
    with open("/proc/1/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            before, _, after = line.rstrip("\n").partition(" - ")
            _, _, _, root, point, options, *optional = before.split()
            kinds = ",".join(sorted({word.partition(":")[0] for word in optional})) or "private"
            kind, source, inside = after.split(" ", 2)
            name, count = point, 1
            while name in found:
                count += 1
                name = f"{point} ({count})"
            found[name] = f"{kind} {source} {root} {options} {inside} {kinds}"
    return found


def sysctls() -> dict[str, str]:
    """Every setting under /proc/sys."""
    found = {}
    for folder, _, files in os.walk("/proc/sys"):
        for file in files:
            path = f"{folder}/{file}"
            name = path.removeprefix("/proc/sys/")
            if _COUNTERS.match(name):
                continue
            found[name] = _read(path)
    return found


def settings() -> dict[str, str]:
    """Settings of the kernel that stand elsewhere."""
    return {path: _read(path) for path in _SETTINGS}


def groups() -> dict[str, str]:
    """Every control group, and the controllers it passes on."""
    return {
        folder.removeprefix("/sys/fs/cgroup") or "/": _read(f"{folder}/cgroup.subtree_control")
        for folder, _, _ in os.walk("/sys/fs/cgroup")
    }


def nodes() -> dict[str, str]:
    """Every device file."""
    found = {}
    for folder, _, files in os.walk("/dev"):
        if folder.startswith(("/dev/pts", "/dev/shm")):
            continue
        for file in files:
            about = os.lstat(f"{folder}/{file}")
            device = f"{os.major(about.st_rdev)}:{os.minor(about.st_rdev)}"
            mode = stat.filemode(about.st_mode)
            found[f"{folder}/{file}"] = f"{mode} {about.st_uid}:{about.st_gid} {device}"
    return found


def processes() -> dict[str, str]:
    """How many processes of each command line there are; kernel threads and logins aside."""
    found: dict[str, int] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        words = _read(f"/proc/{name}/cmdline").replace("\0", " ").strip()
        if words and not _OWN_SESSION.search(words) and not _ours(int(name)):
            found[words] = found.get(words, 0) + 1
    return {words: str(count) for words, count in found.items()}


def _ours(pid: int) -> bool:
    """Whether it is one of those that started this program: they are gone when it ends."""
    at = os.getpid()
    while at > 1:
        if at == pid:
            return True
        at = int(_read(f"/proc/{at}/stat").rpartition(")")[2].split()[1] or 0)
    return False


def links() -> dict[str, str]:
    """Network links of the host, their addresses and the namespaces that have a name."""
    found = {}
    for link in json.loads(_output("ip", "-j", "address", "show") or "[]"):
        addresses = sorted(f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"])
        # an IPv6 address is tentative for a moment: only its text counts
        found[link["ifname"]] = f"{link['link_type']} mtu {link['mtu']} {' '.join(addresses)}"
    for route in _output("ip", "-o", "route", "show", "table", "all").splitlines():
        found[f"route {re.sub(r' expires .*', '', route)}"] = ""
    for line in _output("ip", "netns", "list").splitlines():
        found[f"namespace {line}"] = ""
    return found


def rules() -> dict[str, str]:
    """The packet filter's rules, without their counters."""
    ruleset = re.sub(r"counter packets \d+ bytes \d+", "counter", _output("nft", "list", "ruleset"))
    return {"ruleset": ruleset}


def files() -> dict[str, str]:
    """What stands where programs leave things, with the size of plain files."""
    found = {}
    for top in _FOLDERS:
        for folder, folders, names in os.walk(top):
            folders[:] = [n for n in folders if not _MOVING.match(f"{folder}/{n}")]
            for name in (*folders, *names):
                path = f"{folder}/{name}"
                if _MOVING.match(path):
                    continue
                try:
                    about = os.lstat(path)
                except FileNotFoundError:
                    continue
                size = about.st_size if stat.S_ISREG(about.st_mode) else 0
                mode = stat.filemode(about.st_mode)
                found[path] = f"{mode} {about.st_uid}:{about.st_gid} {size}"
    return found


def units() -> dict[str, str]:
    """Units of systemd that failed."""
    listed = _output("systemctl", "list-units", "--failed", "--plain", "--no-legend")
    return {line.split()[0]: "failed" for line in listed.splitlines() if line.strip()}


def modules() -> dict[str, str]:
    """Kernel modules that the kernel loaded by itself when something was used."""
    with open("/proc/modules", encoding="utf-8") as file:
        return {line.split()[0]: "" for line in file}


KINDS = (mounts, sysctls, settings, groups, nodes, processes, links, rules, files, units)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError as error:
        return f"({error.strerror})"


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout


if __name__ == "__main__":
    json.dump({kind.__name__: kind() for kind in KINDS}, sys.stdout)
