"""The OpenAPI document, made from the table of routes and the types it names."""

import re
from functools import cache
from typing import Any

import msgspec

from daemon.faces.serving.answers import Problem
from daemon.faces.serving.routes import HTML, TABLE, Route, Scope

_REF = "#/components/schemas/{name}"
_ALWAYS = (400, 403)
_STATUS = {
    200: "done",
    202: "begun; ask for it by its id",
    400: "the request is malformed",
    401: "the token is missing or wrong",
    403: "refused by a rule",
    404: "there is no such thing",
    405: "no such verb here",
    409: "busy: another injection runs, or the daemon ends",
    413: "the body is too large",
    415: "send application/json",
    422: "the configuration or the parameters do not fit",
    503: "not ready yet, or all streams are taken",
}


@cache
def document(version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    _, schemas = msgspec.json.schema_components(_types(), ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in TABLE:
        path = re.sub(r"<(\w+)>", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "chaosd", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _types() -> list[Any]:
    found: list[Any] = [Problem]
    for route in TABLE:
        found += [kind for kind in route.answers.values() if not isinstance(kind, str)]
        found += [route.query, *([route.body] if route.body else [])]
    return found


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route, schemas)],
        "responses": {str(code): _answer(code, kind) for code, kind in route.answers.items()},
    }
    problems = [*_ALWAYS, *route.problems]
    if route.scope is not Scope.OPEN:
        operation["security"] = [{"token": []}] if route.scope is Scope.CONTROL else [{"token": []}, {}]
        problems.append(401)
    if route.body is not None:
        content = {"application/json": {"schema": _schema(route.body)}}
        required = any(field.required for field in msgspec.structs.fields(route.body))
        operation["requestBody"] = {"content": content, "required": required}
        problems += [413, 415]
    for code in sorted(set(problems)):
        operation["responses"][str(code)] = _answer(code, Problem, media="application/problem+json")
        if HTML in route.answers.values():  # a browser is told in words
            operation["responses"][str(code)]["content"][HTML] = {"schema": {"type": "string"}}
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"<(\w+)>", route.path)
    return [
        {"name": n, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for n in names
    ]


def _query_parameters(route: Route, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name, schema in schemas[route.query.__name__].get("properties", {}).items():
        plain = {key: value for key, value in schema.items() if key != "description"}
        found.append({"name": name, "in": "query", "schema": plain, "description": schema.get("description", "")})
    return found


def _answer(code: int, kind: Any, *, media: str = "application/json") -> dict[str, Any]:
    if isinstance(kind, str):
        return {"description": _STATUS[code], "content": {kind: {"schema": {"type": "string"}}}}
    return {"description": _STATUS[code], "content": {media: {"schema": _schema(kind)}}}


def _schema(kind: Any) -> dict[str, Any]:
    return (
        {"$ref": _REF.format(name=kind.__name__)} if kind.__module__.startswith("daemon.") else {"type": "object"}
    )
