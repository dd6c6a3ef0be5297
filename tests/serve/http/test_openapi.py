import json

from wssis_serve.http.openapi import FILE, document


def test_the_committed_document_is_what_the_routes_say() -> None:
    assert FILE.read_text() == document(), "run python -m wssis_serve.http.openapi"


def test_every_error_has_the_same_form() -> None:
    paths = json.loads(document())["paths"]
    assert "/v1/segment" in paths
    for path, methods in paths.items():
        for method, operation in methods.items():
            responses = operation["responses"]
            for status in ("400", "401", "404", "413", "415", "422", "429", "503"):
                schema = responses[status]["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorOut"}, (path, method, status)
