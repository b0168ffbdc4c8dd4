"""The Ansible role and make prepare a host alike, and preparing twice changes nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def ansible(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [BIN / program, *arguments],
        cwd=ROOT / "ansible",
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_role_installs_the_packages_make_installs() -> None:
    for name, architecture in (("debian", "amd64"), ("ubuntu", "arm64")):
        said = ansible(
            "ansible",
            "localhost",
            "--module-name=ansible.builtin.include_role",
            "--args=name=tare_host tasks_from=packages",
            f"--extra-vars=tare_host_id={name} tare_host_architecture={architecture}",
        )
        listed = subprocess.run(
            [ROOT / "scripts" / "setup", "packages", name, architecture],
            capture_output=True,
            text=True,
            check=True,
        )
        told = json.loads(said[said.rindex("=> ") + 3 :])["tare_host_packages"]
        assert told == listed.stdout.split()


def test_second_run_changes_nothing() -> None:
    ansible("ansible-playbook", "prepare.yml")
    recap = ansible("ansible-playbook", "prepare.yml").splitlines()[-2]
    assert "changed=0" in recap
    assert "failed=0" in recap
