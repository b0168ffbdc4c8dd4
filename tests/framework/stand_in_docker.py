"""Stand-in for docker's command line, for tests: a container is a process of this host.

Called with the folder that holds its records, then with docker's own arguments. A file ``away``
there stands for a daemon that does not answer, ``refuse`` for one that starts nothing, ``taken``
for one that has every name already, ``remapped`` for one that maps root to another user, ``deaf``
for containers that do not end when they are asked to, ``mute`` for those that end at once,
``stuck`` for those that cannot be removed.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

folder, words = Path(sys.argv[1]), sys.argv[2:]
if words[0] == "context":
    sys.exit("no contexts here")
with (folder / "log").open("a") as log:
    log.write(" ".join(words).replace("\n", " ") + "\n")
if words[0] == "--host":
    words = words[2:]
if (folder / "away").exists():
    sys.exit("Cannot connect to the Docker daemon")
if words[0] == "--host":
    words = words[2:]
verb = words[0]


def value(option: str) -> str:
    return words[words.index(option) + 1]


def pid_of(name: str) -> int:
    return int((folder / f"{name}.pid").read_text())


if verb == "version":
    print("27.0")
elif verb == "info":
    remapped = " name=userns" if (folder / "remapped").exists() else ""
    print(f"runc\noverlay2\n\n[name=seccomp,profile=builtin{remapped}]")
elif verb == "import":
    while os.read(0, 1 << 20):
        pass
elif verb == "run":
    if (folder / "refuse").exists():
        sys.exit("no space on this daemon")
    if (folder / "taken").exists():
        sys.exit(f'Conflict. The container name "/{value("--name")}" is already in use')
    pipe = value("--mount").split(",")[1].removeprefix("src=")
    (folder / "mode").write_text(f"{Path(pipe).stat().st_mode & 0o777:o}")
    first = "exit 1" if (folder / "mute").exists() else f"printf m > {pipe}; exec sleep 60"
    held = subprocess.Popen(
        ["/bin/sh", "-c", first],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    (folder / f"{value('--name')}.pid").write_text(str(held.pid))
elif verb == "inspect":
    code = folder / f"{words[-1]}.code"
    asked = value("--format")
    answers = {
        "{{.State.Pid}}": lambda: pid_of(words[-1]),
        "{{.State.ExitCode}}": lambda: code.read_text() if code.exists() else 0,
        "{{.State.Running}}": lambda: str(Path(f"/proc/{pid_of(words[-1])}").exists()).lower(),
    }
    print(answers[asked]())
elif verb == "exec":
    place = next(place for place, word in enumerate(words) if (folder / f"{word}.pid").exists())
    sys.exit(subprocess.run(words[place + 1 :], check=False).returncode)
elif verb == "rm" and (folder / "stuck").exists():
    sys.exit("device or resource busy")
elif verb in {"stop", "rm"} and (folder / f"{words[-1]}.pid").exists():
    kills = verb == "rm" or (folder / "deaf").exists()
    number = signal.SIGKILL if kills else signal.SIGTERM
    (folder / f"{words[-1]}.code").write_text(str(128 + number))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid_of(words[-1]), number)
    if verb == "stop":
        time.sleep(0.5)  # its books
    else:
        (folder / f"{words[-1]}.pid").unlink()
elif verb == "ps":
    print("\n".join(path.stem for path in folder.glob("*.pid")))
