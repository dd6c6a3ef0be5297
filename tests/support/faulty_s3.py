"""A bucket that can be taken away: moto behind a proxy that answers as it is told."""

import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from ray_wssis.patient_s3 import PatientS3

SAME, BUSY, CUT = "same", "busy", "cut"  # what is answered: moto's words, 503, nothing at all
RESET, HANG, SLOW = "reset", "hang", "slow"  # a reset, nothing for ever, moto's words after a while
SLOW_SECONDS = 3.0
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


class FaultyS3:
    """The service at `address`; `answers` may be changed at any time."""

    def __init__(self, moto_port: int, host: str) -> None:
        self.moto_port = moto_port
        self.answers = SAME
        self.only = ""  # of the path; other requests are answered as always
        self.num_refused = 0
        self.is_over = threading.Event()
        faulty = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                faulty.answer(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer((host, 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://{host}:{self.server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        answers = self.answers
        if answers != SAME and self.only in request.path:
            self.num_refused += 1
            request.close_connection = True
            match answers:
                case "busy":
                    request.send_error(503)
                case "reset":
                    at_once = struct.pack("ii", 1, 0)
                    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
                    request.connection.close()
                case "hang":
                    self.is_over.wait()  # whoever has asked gets no answer, even if others do
                case "slow":
                    time.sleep(SLOW_SECONDS)
            if answers != SLOW:
                return
        moto = http.client.HTTPConnection("127.0.0.1", self.moto_port, timeout=30)
        moto.request(request.command, request.path, body, dict(request.headers))
        response = moto.getresponse()
        content = response.read()
        moto.close()
        length = response.getheader("Content-Length") or str(len(content))
        request.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in HOP_BY_HOP:
                request.send_header(name, value)
        request.send_header("Content-Length", length)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)


@contextmanager
def faulty_s3(host: str = "127.0.0.1") -> Iterator[FaultyS3]:
    """Serve an empty S3 at an address of ours; where it is and its keys are in the environment."""
    moto: Any = ThreadedMotoServer(port=0)
    moto.start()
    service = FaultyS3(moto.get_host_and_port()[1], host)
    thread = threading.Thread(target=service.server.serve_forever, daemon=True)
    thread.start()
    variables = {
        "AWS_ENDPOINT_URL": service.address,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",  # what is tested is our patience, not botocore's
    }
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            PatientS3.clear_instance_cache()  # each knows the address of the first who asked
            yield service
    finally:
        PatientS3.clear_instance_cache()
        service.is_over.set()
        service.server.shutdown()
        service.server.server_close()
        thread.join()
        moto.stop()
