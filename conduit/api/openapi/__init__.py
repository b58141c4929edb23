"""The document of the API, `/openapi.json`: OpenAPI 3.1, made of what the rooms say beside their views.

A room's `openapi` module is found by its name (as `jobs` is), and describes each call by its method and path:

    describe("GET /v1/things/{thing_id}", Operation(tag="Things", summary="Read a thing", about="…", answers={200: Answer("It.", THING)}))

What a body may hold is read off its serializer, whose fields know their own limits (`schema`). A call that is served and not
described, or described and not served, an error, a field, a parameter or an example that is missing fails tests/api/test_openapi.py;
an answer that the document lacks fails whatever test it is met in (tests/support/documented.py).
"""

from conduit.api.openapi.operations import Answer, Body, Operation, Parameter, describe, header, query
from conduit.api.openapi.problems import problem
from conduit.api.openapi.shapes import component, ref

__all__ = ["Answer", "Body", "Operation", "Parameter", "component", "describe", "header", "problem", "query", "ref"]
