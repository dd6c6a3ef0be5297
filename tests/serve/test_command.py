import socket

import pytest
from wssis_serve.command import ask_to_reload, check_port, is_loopback, run
from wssis_serve.config import TOKEN_VARIABLE, ServeConfig


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.0.2.7", False),
        ("example.org", False),
    ],
)
def test_which_addresses_are_of_this_machine_alone(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_other_machines_are_let_in_with_a_token_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with pytest.raises(ValueError, match="there is no token"):
        run(ServeConfig(model="/nowhere"), "0.0.0.0", 8000)


def test_a_port_that_is_taken_is_said_to_be() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port {port} of 127.0.0.1 is taken"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)


def test_reload_of_nothing_says_so() -> None:
    with pytest.raises(ValueError, match="nothing answers there"):
        ask_to_reload("/model", "127.0.0.1", 1)
