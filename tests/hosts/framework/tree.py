"""Makes a host's root file system: Debian by mmdebstrap, then the project's set-up, natively."""

import io
import subprocess
from pathlib import Path

from tests.hosts.framework import checkout, mirrors
from tests.hosts.framework.errors import PreparationError
from tests.hosts.framework.hosts import Host
from tests.hosts.framework.owned import enclosed, require

SCRIPT = Path(__file__).with_name("prepare.sh")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NETWORK = "[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n"
#: QEMU's user network answers names there.
_NAMES = "nameserver 10.0.2.3\n"


def make(host: Host, tree: Path, *, key: Path, log: Path) -> None:
    """Make the tree of `host` at `tree`, whose root `key` (a public key) opens by SSH.

    Raises:
        PreparationError: a step failed.
        ToolMissingError: mmdebstrap is missing.
    """
    require("mmdebstrap", "setpriv", "unshare")
    _bootstrap(host, tree, log)
    mirrors.carry(tree, host.suite)
    source = tree / "root" / "src"
    source.mkdir()
    _copy_checkout(source)
    _run("setting the project up", ["bash", str(SCRIPT), str(tree)], log, _environment())
    _finish(tree, key)


def _environment() -> dict[str, str]:
    return {
        **mirrors.environment(),
        "DEBIAN_FRONTEND": "noninteractive",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PATH": _PATH,
        "PIP_NO_CACHE_DIR": "1",
        "SYSTEMD_OFFLINE": "1",
    }


def _bootstrap(host: Host, tree: Path, log: Path) -> None:
    kernel = host.kernel
    if host.kernel_suite:  # of several versions, that suite's (apt-patterns(7))
        kernel = f"?narrow(?codename(^{host.kernel_suite}$),?exact-name({host.kernel}))"
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase"]
    command += [f"--include={','.join(host.packages)}", f"--include={kernel}"]
    command += [f"--aptopt={setting.rstrip(';')}" for setting in mirrors.apt_settings()]
    command += ["--dpkgopt=force-unsafe-io", host.suite, str(tree)]
    if stanzas := "\n".join(mirrors.sources(s) for s in (host.suite, host.kernel_suite) if s):
        listing = tree.with_name("debian.sources")
        listing.write_text(stanzas)
        command.append(str(listing))
    _run("making the root file system", command, log, {**mirrors.environment(), "PATH": _PATH})


def _copy_checkout(source: Path) -> None:
    packed = io.BytesIO()
    checkout.write_tar(packed)
    subprocess.run(["tar", "-C", str(source), "-xf", "-"], input=packed.getvalue(), check=True)


def _run(step: str, command: list[str], log: Path, environment: dict[str, str]) -> None:
    with log.open("a") as output:
        output.write(f"== {step}\n")
        output.flush()
        done = subprocess.run(
            enclosed(*command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    if done.returncode:
        last = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-1]
        raise PreparationError(f"{step} ended with status {done.returncode}: {last} (log: {log})")


def _finish(tree: Path, key: Path) -> None:
    """Make it boot: network, name, login."""
    etc = tree / "etc"
    login = tree / "root" / ".ssh"
    login.mkdir(exist_ok=True)
    login.chmod(0o700)
    (login / "authorized_keys").write_bytes(key.read_bytes())
    (etc / "systemd/network/any.network").write_text(_NETWORK)
    wanted = etc / "systemd/system/multi-user.target.wants"
    network = wanted / "systemd-networkd.service"
    network.unlink(missing_ok=True)
    network.symlink_to("/usr/lib/systemd/system/systemd-networkd.service")
    (etc / "fstab").write_text("/dev/vda / ext4 rw 0 1\n")
    (etc / "hostname").write_text("ordinary\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n127.0.1.1 ordinary\n::1 localhost\n")
    (etc / "machine-id").write_text("")
    (etc / "modules-load.d").mkdir(exist_ok=True)
    (etc / "modules-load.d/kvm.conf").write_text("kvm-amd\n")
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").write_text(_NAMES)
