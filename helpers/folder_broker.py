"""Kombu's filesystem transport with messages that appear whole.

Kombu 5 opens a message's file in the queue's folder and then writes it; a worker that looks at this
moment takes an empty message and stops with `JSONDecodeError`. Here a message is written under
another name and renamed, which is atomic. Used by `helpers.task_queue`.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any

from kombu.transport import filesystem, virtual
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """A channel whose messages are renamed into the folder."""

    def _put(self, queue: str, payload: Any, **options: Any) -> None:
        # The names, and so the order, are Kombu's own.
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}"
        partial = Path(self.data_folder_out, f"{name}.part")
        partial.write_text(dumps(payload), encoding="utf-8")
        os.replace(partial, partial.with_suffix(".msg"))


class Transport(filesystem.Transport):
    """The transport of the broker address `folder://`."""

    Channel = Channel
    global_state = virtual.BrokerState()  # not the one of `filesystem://`
