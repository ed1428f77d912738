"""What a worker may not do once it runs the user's code: no network, no writes, no processes, no hands on others.

Two mechanisms of Linux, each used where the kernel has it, and neither taken off again:

- Landlock (5.13) for files: nothing may be written, made, cut, renamed or removed but below the declared paths. From 6.12 on it also
  keeps signals and abstract sockets inside the worker.
- seccomp (a filter of system calls): no sockets unless the network is declared; no fork and no exec, threads only; signals to the worker
  itself only; no ptrace, no mounts, no io_uring, no larger limits; no chmod and its like unless a path is declared.

Both are irrevocable and inherited. A call that is refused fails with EPERM or EACCES, so Python raises PermissionError and the row goes
to the quarantine. Where the kernel has neither, the function runs with the rights of the engine's user, and `describe` says so.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable, Sequence

HINT = "a function has no network, writes nothing and starts no process unless its decorator says network=True or writes=(...)"

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_RULE_PATH_BENEATH = 1
_LANDLOCK_SCOPE_ABSTRACT_SOCKET_AND_SIGNAL = 0b11
# Rights on files that change something; reading, listing and executing are not handled, and so stay allowed. By version of Landlock.
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
_WRITES_OF_VERSION = {1: _WRITE_FILE | sum(1 << bit for bit in range(4, 13)), 2: 1 << 13, 3: _TRUNCATE}

_libc = ctypes.CDLL(None, use_errno=True)


def available() -> list[str]:
    """The mechanisms that this kernel has, such as ["landlock 7", "seccomp"]."""
    version = _landlock_version()
    out = [f"landlock {version}"] if version else []
    return [*out, "seccomp"] if _has_seccomp() else out


def confine(*, network: bool, writes: Sequence[str]) -> None:
    """Takes from this process, for good, what the function has not declared. Does what the kernel can; raises nothing but OSError
    where a mechanism that is there fails."""
    version = _landlock_version()
    if not version and not _has_seccomp():
        return
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(NO_NEW_PRIVS)")
    if version:
        _confine_files(version, ["/dev/null", *writes])
    if _has_seccomp():
        _confine_calls(network=network, metadata=bool(writes))


# ---- Landlock ----------------------------------------------------------------------------------------------------------------------


def _landlock_version() -> int:
    return max(0, int(_libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_CREATE_RULESET_VERSION)))


def _confine_files(version: int, writable: Iterable[str]) -> None:
    rights = sum(bits for since, bits in _WRITES_OF_VERSION.items() if version >= since)
    scoped = _LANDLOCK_SCOPE_ABSTRACT_SOCKET_AND_SIGNAL if version >= 6 else 0
    attributes = struct.pack("<QQQ", rights, 0, scoped)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    ruleset = _check(_libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0), "landlock_create_ruleset")
    for path in writable:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # What is not there cannot be written to.
        allowed = rights if os.path.isdir(path) else rights & (_WRITE_FILE | _TRUNCATE)
        rule = struct.pack("<Qi", allowed, place)
        _check(_libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, rule, 0), "landlock_add_rule")
        os.close(place)
    _check(_libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


# ---- seccomp -----------------------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {"x86_64": 0xC000003E}
_CLONE_THREAD = 0x10000

# Numbers of x86_64 (arch/x86/entry/syscalls/syscall_64.tbl).
_CALLS = {
    "socket": 41, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93,
    "lchown": 94, "ptrace": 101, "setpgid": 109, "setsid": 112, "rt_sigqueueinfo": 129, "utime": 132, "pivot_root": 155, "setrlimit": 160,
    "chroot": 161, "mount": 165, "umount2": 166, "swapon": 167, "reboot": 169, "init_module": 175, "setxattr": 188, "lsetxattr": 189,
    "fsetxattr": 190, "tkill": 200, "tgkill": 234, "utimes": 235, "add_key": 248, "request_key": 249, "keyctl": 250, "fchownat": 260,
    "futimesat": 261, "fchmodat": 268, "unshare": 272, "utimensat": 280, "perf_event_open": 298, "rt_tgsigqueueinfo": 297, "prlimit64": 302,
    "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "finit_module": 313, "bpf": 321, "execveat": 322, "userfaultfd": 323,
    "pidfd_send_signal": 424, "io_uring_setup": 425, "clone3": 435, "pidfd_getfd": 438, "fchmodat2": 452,
}  # fmt: skip
_NEVER = ("fork", "vfork", "execve", "execveat", "ptrace", "setpgid", "setsid", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "tkill",
          "pivot_root", "setrlimit", "chroot", "mount", "umount2", "swapon", "reboot", "init_module", "finit_module", "add_key",
          "request_key", "keyctl", "unshare", "perf_event_open", "setns", "process_vm_readv", "process_vm_writev", "bpf", "userfaultfd",
          "pidfd_send_signal", "io_uring_setup", "pidfd_getfd")  # fmt: skip
_METADATA = ("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utime", "utimes", "futimesat",
             "utimensat", "setxattr", "lsetxattr", "fsetxattr")  # fmt: skip

# BPF: load a word of struct seccomp_data; jump if equal, if any bit is set; return.
_LOAD, _IF_EQUAL, _IF_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16
_X32_CALLS = 0x40000000


def _has_seccomp() -> bool:
    return platform.machine() in _ARCHITECTURES and os.path.exists("/proc/sys/kernel/seccomp/actions_avail")


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value & 0xFFFFFFFF)


def _refuse(name: str, error: int = errno.EPERM) -> list[bytes]:
    return [_instruction(_IF_EQUAL, _CALLS[name], 0, 1), _instruction(_RETURN, _ERRNO | error)]


def _refuse_unless(name: str, argument: int, code: int, value: int) -> list[bytes]:
    """Allows a call only when the test of the low word of an argument holds; the test's other accepted values come as further rows."""
    return [
        _instruction(_IF_EQUAL, _CALLS[name], 0, 4),
        _instruction(_LOAD, _AT_ARGUMENTS + 8 * argument),
        _instruction(code, value, 0, 1),
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _ERRNO | errno.EPERM),
    ]


def _filter(*, network: bool, metadata: bool) -> bytes:
    own = os.getpid()
    rows = [
        _instruction(_LOAD, _AT_ARCHITECTURE),
        _instruction(_IF_EQUAL, _ARCHITECTURES[platform.machine()], 1, 0),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD, _AT_NUMBER),
        _instruction(_IF_BITS, _X32_CALLS, 0, 1),
        _instruction(_RETURN, _KILL_PROCESS),
        *_refuse("clone3", errno.ENOSYS),  # Its flags cannot be read from here; libc falls back to clone.
    ]
    names = _NEVER + (() if network else ("socket",)) + (() if metadata else _METADATA)
    for name in names:
        rows += _refuse(name)
    rows += _refuse_unless("clone", 0, _IF_BITS, _CLONE_THREAD)
    rows += _refuse_unless("kill", 0, _IF_EQUAL, own)
    rows += _refuse_unless("tgkill", 0, _IF_EQUAL, own)
    rows += _refuse_unless("prlimit64", 2, _IF_EQUAL, 0)  # Asking for limits is fine. (A pointer's low word is 0 only for NULL.)
    rows.append(_instruction(_RETURN, _ALLOW))
    return b"".join(rows)


def _confine_calls(*, network: bool, metadata: bool) -> None:
    code = _filter(network=network, metadata=metadata)
    content = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    program = Program(len(code) // 8, ctypes.addressof(content))
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0), "prctl(SECCOMP)")


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
