"""What a validation says of a candidate, in the words of the real one."""

from __future__ import annotations

from typing import Any

from oracle.governance.gates import OF_A_POOL, OF_ALL


def validation(production: int = 1, **outcomes: str) -> dict[str, Any]:
    """Return a document in which every rule passes, but those that are named."""
    rules = [
        {"rule": name, "outcome": outcomes.get(name.split()[0], "pass"), "observed": 0.1, "required": "as wanted"}
        for name in (*OF_ALL, *(f"{rule} (form)" for rule in OF_A_POOL))
    ]
    return {"production": str(production), "pools": ["form"], "rules": rules}
