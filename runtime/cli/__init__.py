"""tare-oci: the runtime on an OCI command line, so that podman, containerd and others can drive it.

The verbs are those of the OCI runtime-spec (runtime.md, "Operations") and of runc's command line.
Every command is a process of its own that ends in milliseconds, so modules are imported where they
are needed, and those that every command needs import as little as they can.
"""

from __future__ import annotations

import os
import sys

from runtime.cli.options import Command, Options, UsageError, parse
from runtime.cli.report import Report
from runtime.cli.table import GLOBAL, OPERANDS, VERBS
from runtime.errors import ContainerError

_FAILED, _EXEC_FAILED, _INTERRUPTED = 1, 255, 130
_REFUSED = ("checkpoint", "restore")
_MAKERS = ("create", "run")


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command; its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    command, report = Command("", Options(), Options(), []), Report(Options())
    try:
        command = parse(arguments)
        report = Report(command.common)
        status = _carry_out(command, report)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is left is not for anyone; the interpreter would try again
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001  # callers read one line, whatever happens
        _tell(error, command.verb, report)
        return _EXEC_FAILED if command.verb == "exec" else _FAILED
    return status


def _tell(error: Exception, verb: str, report: Report) -> None:
    text = str(error)
    if not isinstance(error, (ContainerError, OSError)):
        text = f"unexpected {type(error).__name__}: {error}; --debug says where"
    if report.debugging:
        import traceback

        report.debug(traceback.format_exc())
    report.error(f"{verb}: {text}" if verb and not isinstance(error, UsageError) else text)


def _carry_out(command: Command, report: Report) -> int:
    common = command.common
    if common.has("version"):
        return _print_version()
    if not command.verb or command.options.has("help"):
        return _help(command)
    _check_common(command)
    from runtime.cli import verbs

    return verbs.ACTIONS[command.verb](verbs.Call(command, report))


def _print_version() -> int:
    from runtime.versions import OCI_VERSION, VERSION

    print(f"tare-oci version {VERSION}\ncommit: {VERSION}\nspec: {OCI_VERSION}")
    return 0


def _help(command: Command) -> int:
    """What can be given; what a runtime cannot do it says by its exit status."""
    verb = command.verb
    if verb in _REFUSED:
        raise UsageError("checkpoints are not supported: this runtime does not drive CRIU")
    if verb:
        wanted = OPERANDS.get(verb, (1, 1, "the name of one container"))[2]
        print(f"usage: tare-oci {verb} [OPTION...] [OPERAND...]\n\n{verb} takes {wanted}\n")
    else:
        print("usage: tare-oci [OPTION...] VERB [OPTION...] CONTAINER [OPERAND...]\n")
        print("verbs: " + " ".join(name for name in VERBS if name not in _REFUSED) + "\n")
    print("options:")
    for name, letter in (VERBS[verb] if verb else GLOBAL).items():
        value = " VALUE" if name.endswith("=") else ""
        print(f"  {f'-{letter}, ' if letter else '    '}--{name.rstrip('=')}{value}")
    return 0 if verb or command.common.has("help") else _FAILED


def _check_common(command: Command) -> None:
    common = command.common
    manager = common.get("cgroup-manager")
    if common.has("systemd-cgroup"):
        manager = common.single.setdefault("cgroup-manager", "systemd")
    if manager not in (None, "cgroupfs", "systemd", "disabled"):
        raise UsageError(f"--cgroup-manager {manager!r} is none of cgroupfs, systemd and disabled")
    if manager != "systemd" or command.verb not in _MAKERS:
        return
    if not os.path.isdir("/run/systemd/system"):
        raise UsageError("systemd is not running on this host; leave --systemd-cgroup out")
    from runtime.cgroups import layout

    if not layout.current().v2:
        raise UsageError(
            "systemd is asked for control groups on cgroup v2 alone; leave --systemd-cgroup out "
            '(podman: cgroup_manager = "cgroupfs"; containerd: SystemdCgroup = false)'
        )
