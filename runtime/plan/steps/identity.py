"""Steps that give a container its identity: session, keyring, names, loopback, ids."""

from __future__ import annotations

from typing import NamedTuple


class NewSession(NamedTuple):
    """A session of its own, away from the harness's terminal."""

    def describe(self) -> str:
        return "start a new session"

    def wire(self) -> tuple[()]:
        return ()


class NewKeyring(NamedTuple):
    """A session keyring of its own: keys of whoever started the harness stay outside."""

    def describe(self) -> str:
        return "make a new session keyring"

    def wire(self) -> tuple[()]:
        return ()


class LoopbackUp(NamedTuple):
    """Bring lo up in the new network namespace: one ioctl; the `ip` program would cost 2 ms."""

    def describe(self) -> str:
        return "bring the loopback interface up"

    def wire(self) -> tuple[()]:
        return ()


class SetHostname(NamedTuple):
    """The name that the container's processes see."""

    name: str

    def describe(self) -> str:
        return f"set the host name to {self.name!r}"

    def wire(self) -> tuple[str]:
        return (self.name,)


class SetDomainname(NamedTuple):
    """The NIS domain name that the container's processes see (setdomainname(2))."""

    name: str

    def describe(self) -> str:
        return f"set the domain name to {self.name!r}"

    def wire(self) -> tuple[str]:
        return (self.name,)


class BecomeRoot(NamedTuple):
    """Take id 0 of the user namespace: until then files cannot be made (EOVERFLOW).

    `setgroups_denied`: the namespace was made without privilege (user_namespaces(7)).
    """

    setgroups_denied: bool = False

    def describe(self) -> str:
        return "become root of the user namespace"

    def wire(self) -> tuple[int]:
        return (int(self.setgroups_denied),)


class SetUser(NamedTuple):
    """The ids the workload runs under."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    setgroups_denied: bool = False

    def describe(self) -> str:
        return f"become user {self.uid}, group {self.gid}"

    def wire(self) -> tuple[int, int, int, tuple[int, ...]]:
        return (self.uid, self.gid, int(self.setgroups_denied), self.groups)
