"""Runs pytest in a network namespace that has the loopback interface and nothing else.

`python tests/offline.py [pytest arguments]`. A chapter that reaches out fails there, by name.
Linux only: needs `unshare` (util-linux), as root or with user namespaces allowed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys

SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40
INSIDE = "COURSE_INSIDE_NAMESPACE"


def namespace() -> list[str] | None:
    """The command prefix that opens a namespace here, or None where the system allows none."""
    tool = shutil.which("unshare")
    for flags in (["--net"], ["--map-root-user", "--net"]):
        if tool and subprocess.run([tool, *flags, "true"], capture_output=True).returncode == 0:
            return [tool, *flags]
    return None


def raise_loopback() -> None:
    """Switches the namespace's loopback interface on: Jupyter kernels speak through it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sH", b"lo", IFF_UP | IFF_RUNNING))


def main() -> int:
    """The exit status of pytest inside the namespace; 2 where there can be none."""
    if os.environ.get(INSIDE):
        raise_loopback()
        found = [name for _, name in socket.if_nameindex()]
        if found != ["lo"]:
            print(f"The namespace has the interfaces {found}, expected lo alone.", file=sys.stderr)
            return 2
        return subprocess.call([sys.executable, "-m", "pytest", *sys.argv[1:]])
    prefix = namespace()
    if prefix is None:
        print(
            "This system lets no network namespace be opened (it needs Linux, unshare, and root or "
            "user namespaces): the offline run was not made.",
            file=sys.stderr,
        )
        return 2
    environment = os.environ | {INSIDE: "1", "COURSE_OFFLINE": "1"}
    environment.pop("COURSE_DATA_DIR", None)
    return subprocess.call([*prefix, sys.executable, __file__, *sys.argv[1:]], env=environment)


if __name__ == "__main__":
    sys.exit(main())
