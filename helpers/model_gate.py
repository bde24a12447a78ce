"""Who may do what with a model, and how often: roles and query budgets. Chapter 26.

Deny by default: an identity without a role, and an action that a role does not name, are refused.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# What each role may do. A model's owner edits this table; the code below does not know the names.
ROLES: dict[str, tuple[str, ...]] = {
    "client": ("predict",),
    "operator": ("predict", "withdraw"),
    "auditor": ("log",),
}


class Refused(PermissionError):
    """A request that is refused; `status` is the HTTP status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class Gate:
    """Decides on requests: `roles` by identity, `budget` in rows for each identity.

    The budget stands for a day's: a service sets the counters back at midnight. Identities come
    from verified certificates, never from what a request says about itself.
    """

    roles: Mapping[str, str]
    budget: int
    actions: Mapping[str, Sequence[str]] = field(default_factory=lambda: ROLES)
    used: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.budget, bool) or not isinstance(self.budget, int) or self.budget < 1:
            raise ValueError(f"The budget is {self.budget!r}; give a number of rows, 1 or more.")
        unknown = sorted(set(self.roles.values()) - set(self.actions))
        if unknown:
            raise ValueError(f"There is no role '{unknown[0]}': use one of {sorted(self.actions)}.")

    def admit(self, identity: str, action: str, rows: int = 0) -> None:
        """Returns nothing if `identity` may do `action` on `rows` rows; raises `Refused` if not.

        A refused request uses up nothing, so that an honest client may ask for fewer rows.
        """
        role = self.roles.get(identity)
        if role is None:
            raise Refused(403, f"'{identity}' has no role.")
        if action not in self.actions[role]:
            raise Refused(403, f"The role '{role}' may not {action}.")
        with self._lock:
            used = self.used.get(identity, 0)
            if used + rows > self.budget:
                raise Refused(
                    429, f"The budget of {self.budget} rows is used up: {used} were answered."
                )
            self.used[identity] = used + rows
