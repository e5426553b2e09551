"""Run a command in a network namespace of its own, which has loopback and nothing else. Linux, root.

Usage: python in_namespace.py COMMAND…
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

_CLONE_NEWNET, _SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x4000_0000, 0x8913, 0x8914, 1


def main(command: "list[str]") -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no network namespace of its own")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack("16xh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
