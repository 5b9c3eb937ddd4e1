"""A program: build the server as gunicorn does, print every route there is and what a few requests get from it.

It runs in a process of its own, since MLflow reads its environment when it is imported.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from typing import Any

from oracle.tracking_server.app import create_app


def of_fastapi(routes: Any, before: str = "") -> Iterator[tuple[str, str]]:
    for route in routes:
        if hasattr(route, "original_router"):
            yield from of_fastapi(route.original_router.routes, before + route.include_context.prefix)
        else:
            yield from ((method, before + route.path) for method in getattr(route, "methods", None) or ())


def of_flask(app: Any) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        yield from ((method, str(rule)) for method in rule.methods)


def filled(path: str) -> str:
    """Return a path with something in the place of its variables."""
    return re.sub(r"<[^>]*>|\{[^}]*\}", "x", path)


def main() -> None:
    app = create_app()
    from mlflow.server.fastapi_app import create_fastapi_app

    routes = {*of_flask(app), *of_fastapi(create_fastapi_app(app).routes)}
    client = app.test_client()
    name = f"root:{os.environ['MLFLOW_AUTH_ADMIN_PASSWORD']}"
    known = {"Authorization": "Basic " + base64.b64encode(name.encode()).decode()}
    moved = {"name": "equine-oracle", "alias": "production", "version": "1"}
    alias = "/api/2.0/mlflow/registered-models/alias"
    asked = {
        "admin": client.post(alias, json=moved, headers=known),
        "nobody": client.post(alias, json=moved),
        "about": client.get("/api/2.0/oracle/about", headers=known),
        "stranger": client.get("/api/2.0/oracle/about"),
        "user": client.post(
            "/api/2.0/oracle/people", json={"name": "sam", "roles": ["scientist"], "password": "s" * 12}, headers=known
        ),
        "search": client.post("/api/2.0/mlflow/experiments/search", json={"max_results": 1}, headers=known),
        "closed": client.get("/ajax-api/2.0/mlflow/gateway-proxy", headers=known),
    }
    audit = client.get("/api/2.0/oracle/audit", headers=known).get_json()
    print(  # noqa: T201 - this is what the program is for
        json.dumps(
            {
                "routes": sorted((method, path, filled(path)) for method, path in routes),
                "answers": {name: answer.status_code for name, answer in asked.items()},
                "audit": [link["entry"] for link in audit],
            }
        )
    )


if __name__ == "__main__":
    main()
