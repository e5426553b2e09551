"""Who owns a part: which process, on which machine, and whether it is still alive."""

from __future__ import annotations

import hashlib
import os
import sys
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

_BOOT: Final = "/proc/sys/kernel/random/boot_id"


class Owner(msgspec.Struct, frozen=True):
    """A process, told apart from every other one that may reach the same folder."""

    machine: str  # digests of the boot, and of host name, boot and process namespace
    pid: int
    started: int  # the system's number for when it began; 0 where nobody says

    def __str__(self) -> str:
        return f"{self.machine}-{self.pid}-{self.started}"

    @property
    def is_here(self) -> bool:
        """Whether it runs, or ran, where we can see if it is alive: this boot, this process namespace."""
        return self.machine == machine()

    @property
    def is_near(self) -> bool:
        """Whether it runs, or ran, in this boot, as a number that means another process here: a container."""
        boot = _boot()
        return bool(boot) and self.machine.startswith(boot) and not self.is_here

    @property
    def is_dead(self) -> bool:
        """Whether it is certainly gone. False for a foreign owner: nobody knows."""
        return self == NOBODY or (self.is_here and not _is_alive(self))


#: The owner of a part that was closed in good order.
NOBODY = Owner("0" * 12, 0, 0)


def me() -> Owner:
    """Return this process."""
    return _process(os.getpid())


def my_name() -> str:
    """Return the text of `me()`."""
    return _name(os.getpid())


@cache
def _process(pid: int) -> Owner:  # by number, because a fork is another process
    return Owner(machine(), pid, _started(pid))


@cache
def _name(pid: int) -> str:
    return str(_process(pid))


def parse(text: str) -> Owner | None:
    """Read what `str(owner)` wrote; None if it is something else."""
    machine_, _, rest = text.partition("-")
    pid, _, started = rest.partition("-")
    if not (len(machine_) == 12 and pid.isdecimal() and started.isdecimal()):
        return None
    return Owner(machine_, int(pid), int(started))


@cache
def machine() -> str:
    """Return 12 digits for this boot of this machine and this process namespace.

    Containers that share a folder can have equal host names and equal process numbers; what tells them apart
    is the namespace in which a number means a process.
    """
    facts = [_node(), _read(_BOOT), _link("/proc/self/ns/pid")]
    return (_boot() + hashlib.sha256("\n".join(facts).encode()).hexdigest())[:12]


@cache
def _boot() -> str:
    """Return 4 digits for this boot of this machine; none where nobody says."""
    boot = _read(_BOOT)
    return hashlib.sha256(boot.encode()).hexdigest()[:4] if boot else ""


def _is_alive(owner: Owner) -> bool:
    if sys.platform == "win32":
        return _is_alive_on_windows(owner)
    try:
        os.kill(owner.pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has so large a number
        return False
    except OSError:  # another user's process
        return True
    return owner.started == 0 or _started(owner.pid) in (0, owner.started)


def _started(pid: int) -> int:
    """Return when a process began, in the system's own unit; 0 if nobody says, -1 if it is a zombie."""
    if sys.platform == "win32":
        return _windows_times(pid)[0]
    fields = (
        _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    )  # proc(5); the name before may hold anything
    if len(fields) < 20:
        return 0
    return -1 if fields[0] == "Z" and fields[17] in ("0", "1") else int(fields[19])


def _node() -> str:
    """This machine's name; `platform.node` gives the same, and costs an import."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    return os.environ.get("COMPUTERNAME", "")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


def _is_alive_on_windows(owner: Owner) -> bool:
    started, ended = _windows_times(owner.pid)
    return not ended and started in (0, owner.started)


def _windows_times(pid: int) -> tuple[int, int]:
    """Return (creation time, exit time), 0 where unknown or still running; (0, 1) for no such process."""
    if sys.platform != "win32":
        return 0, 0
    import ctypes
    from ctypes import wintypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = wintypes.HANDLE
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return 0, int(ctypes.get_last_error() == 87)  # ERROR_INVALID_PARAMETER: no such process
    times = [wintypes.FILETIME() for _ in range(4)]
    kernel.GetProcessTimes(wintypes.HANDLE(handle), *(ctypes.byref(time) for time in times))
    code = wintypes.DWORD()
    kernel.GetExitCodeProcess(wintypes.HANDLE(handle), ctypes.byref(code))
    kernel.CloseHandle(wintypes.HANDLE(handle))
    started = times[0].dwHighDateTime << 32 | times[0].dwLowDateTime
    return started, int(code.value != 259)  # STILL_ACTIVE
