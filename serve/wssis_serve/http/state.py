"""The state of the application that routes read: its replicas and its configuration."""

from fastapi import FastAPI, Request

from wssis_serve.backend import Backend
from wssis_serve.config import ServeConfig


def set_state(api: FastAPI, config: ServeConfig, backend: Backend) -> None:
    api.state.config, api.state.backend = config, backend
    api.state.answered, api.state.num_open = [], 0  # requests, see `access_log`


def backend_of(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


def config_of(request: Request) -> ServeConfig:
    config: ServeConfig = request.app.state.config
    return config
