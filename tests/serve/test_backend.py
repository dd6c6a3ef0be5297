"""What callers hear when replicas do not answer."""

import asyncio
from typing import Any

import pytest
from wssis_serve.backend import Backend
from wssis_serve.errors import ApiError


class Silent:
    """Replicas that never answer."""

    async def ask(self, method: str, *args: Any) -> Any:
        await asyncio.Event().wait()

    async def tell(self, method: str, *args: Any) -> list[Any]:
        raise ValueError("the model is broken")


def backend(timeout_s: float) -> Backend:
    silent = Silent()
    return Backend(student=silent, labeller=None, coordinator=silent, timeout_s=timeout_s)


def test_nobody_waits_longer_than_the_limit() -> None:
    with pytest.raises(ApiError, match=r"no answer within 0.01 s") as caught:
        asyncio.run(backend(0.01).models())
    assert (caught.value.status, caught.value.retry_after) == (503, 5)


def test_when_ray_is_gone_everybody_hears_it_at_once() -> None:
    async def run() -> list[Any]:
        asked = backend(60)
        waiting = asyncio.create_task(asked.models())
        await asyncio.sleep(0.01)
        asked.give_up(ApiError(503, "overloaded", "Ray ended", 5))
        found = await asyncio.gather(waiting, asked.models(), return_exceptions=True)
        return list(found)

    found = asyncio.run(asyncio.wait_for(run(), 30))
    assert [str(error) for error in found] == ["Ray ended", "Ray ended"]
    assert all(isinstance(error, ApiError) for error in found)


def test_a_broken_model_is_told_to_nobody_who_watches() -> None:
    told: list[str] = []
    asked = backend(60)
    asked.watchers.append(told.append)
    with pytest.raises((ApiError, ValueError), match="broken"):
        asyncio.run(asked.reload("m"))
    assert told == []
