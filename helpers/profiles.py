"""Profiles: how large a run is. Same code in every profile, other sizes."""

from __future__ import annotations

import ctypes
import difflib
import os
import sys
from dataclasses import dataclass, make_dataclass
from typing import Any

NAMES = ("quick", "full", "gpu")
MEANING = {
    "quick": "offline, embedded data, CPU, seconds",
    "full": "real data sets, CPU, minutes",
    "gpu": "bigger models in mixed precision on a GPU",
}


class ProfileError(ValueError):
    """A profile that does not exist or that this machine cannot run; one sentence."""


@dataclass(frozen=True)
class Profile:
    """What a profile fixes for every chapter.

    `name` is one of `quick`, `full`, `gpu`; `device` is `cpu` or `gpu`; `precision` is the name of
    a Keras dtype policy (`float32`, or `mixed_bfloat16` on a GPU).
    """

    name: str
    device: str
    precision: str

    def sizes(self, **columns: Any) -> Any:
        """Frozen dataclass with one field per keyword: this profile's value of it.

        A tuple of three values is read as (`quick`, `full`, `gpu`); anything else is the value in
        every profile. So `sizes(epochs=EPOCHS or (5, 3, 10))` lets a parameter override a profile.

        Raises `ProfileError` when a tuple does not have exactly three values.
        """
        chosen: dict[str, Any] = {}
        for name, value in columns.items():
            if isinstance(value, tuple):
                if len(value) != len(NAMES):
                    raise ProfileError(
                        f"The size '{name}' has {len(value)} values; give one for each profile "
                        f"in the order {', '.join(NAMES)}, or a single value for all of them."
                    )
                value = value[NAMES.index(self.name)]
            chosen[name] = value
        fields = [(name, type(value)) for name, value in chosen.items()]
        return make_dataclass("Sizes", fields, frozen=True)(**chosen)


def gpu_count() -> int:
    """Number of CUDA devices the driver offers, 0 without a driver; asks no framework."""
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        cuda = ctypes.CDLL(library)
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if cuda.cuInit(0) != 0 or cuda.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def resolve(name: str = "") -> Profile:
    """The `Profile` called `name`; empty means `$COURSE_PROFILE`, and without that `quick`.

    Raises `ProfileError` for a name that does not exist, and for `gpu` where there is no GPU.
    """
    chosen = name or os.environ.get("COURSE_PROFILE", "") or "quick"
    if chosen not in NAMES:
        close = difflib.get_close_matches(chosen, NAMES, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise ProfileError(f"There is no profile '{chosen}': use one of {', '.join(NAMES)}.{hint}")
    if chosen == "gpu":
        if gpu_count() == 0:
            raise ProfileError(
                "The profile 'gpu' needs an NVIDIA GPU with its driver, and none was found: "
                "use the profile 'full' on this machine."
            )
        return Profile("gpu", "gpu", "mixed_bfloat16")
    return Profile(chosen, "cpu", "float32")
