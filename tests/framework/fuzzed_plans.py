"""The fuzzer of the executor's reader of requests: its build, its seeds, a run of it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from runtime import executor
from runtime.executor import find_compiler
from runtime.plan import builder
from runtime.plan.steps.encoding import encode
from runtime.plan.steps.values import values
from runtime.spec import Hook, User, profiles
from tests import framework

_SOURCE = Path(framework.__file__).with_name("fuzzed_plans.c")
_EXECUTOR = Path(executor.__file__).parent
_OPTIONS = (
    "-O1", "-g", "-D_GNU_SOURCE", "-D_exit=fuzz_exit", "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all", "-no-pie", "-Wl,--unresolved-symbols=ignore-all",
)  # fmt: skip
_COVERAGE = "-fsanitize-coverage=trace-pc"


def build(folder: Path) -> Path | None:
    """The program; None where this host's compiler has no sanitizers."""
    reader = [f"{_EXECUTOR}/{name}" for name in ("wire.c", "plan.c")]
    objects = []
    for source in (*reader, str(_SOURCE)):
        made = str(folder / f"{Path(source).stem}.o")
        # the harness does not trace itself
        traced = () if source == str(_SOURCE) else (_COVERAGE,)
        argv = [find_compiler("fuzzer"), *_OPTIONS, *traced, "-c", "-I", str(_EXECUTOR)]
        if subprocess.run([*argv, "-o", made, source], check=False, capture_output=True).returncode:
            return None
        objects.append(made)
    program = folder / "fuzzed_plans"
    argv = [find_compiler("fuzzer"), *_OPTIONS, "-o", str(program), *objects]
    done = subprocess.run(argv, check=False, capture_output=True)
    return None if done.returncode else program


def seeds(folder: Path) -> list[Path]:
    """Requests as the spawner and the command line send them, one a file."""
    folder.mkdir()
    found = []
    for name, make in profiles.PROFILES.items():
        spec = make(rootfs=Path("/image"), args=["true", "x"])
        workload = replace(
            spec.process, user=User(uid=1, gid=2, additional_gids=(3, 4)), env={"A": "b"}
        )
        hooked = builder.Detached("{}", "{}", {}, env=("A=b",))
        hooks = replace(spec.hooks, create_container=(Hook(path="/bin/true", args=("true",)),))
        for kind, steps, enter in (
            ("create", builder.create(spec), False),
            ("oci", builder.create(replace(spec, hooks=hooks), detached=hooked), False),
            ("exec", builder.execute(spec, workload), True),
        ):
            program = builder.program(
                spec, workload, steps, enter=enter, filter=bytes(range(64)), filter_flags=2
            )
            head = values([1, 77, 0, 0, 1, 2, -1, -1, -1, "lower/0", "tare", 3])
            head += values([0, 3, 1, 4, 2, 5])
            path = folder / f"{name}-{kind}"
            path.write_bytes(head + encode(program))
            found.append(path)
    return found


def run(program: Path, files: list[Path], seed: int, count: int) -> tuple[int, str]:
    """Exit status and what it said; the request at fault is in its folder."""
    done = subprocess.run(
        [program, str(seed), str(count), *files], cwd=program.parent, check=False,
        capture_output=True, text=True,
        env={"ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr
