import asyncio

from wssis_serve.micro_batcher import Together


class Doubling:
    """Takes a moment, and remembers what it was asked together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def __call__(self, numbers: list[int]) -> list[int]:
        self.batches.append(numbers)
        await asyncio.sleep(0.02)
        if 13 in numbers:
            raise ValueError("13 brings bad luck")
        return [2 * number for number in numbers]


def ask(numbers: list[int], at_most: int) -> tuple[list[int | BaseException], list[list[int]]]:
    async def all_at_once() -> list[int | BaseException]:
        together = Together(work, at_most)
        return await asyncio.gather(*map(together, numbers), return_exceptions=True)

    work = Doubling()
    return asyncio.run(all_at_once()), work.batches


def test_who_comes_first_does_not_wait_and_the_others_go_together() -> None:
    async def one_after_the_other() -> list[int]:
        together = Together(work, 8)
        first = asyncio.create_task(together(1))
        await asyncio.sleep(0.01)  # the first one is under way
        return [*await asyncio.gather(*map(together, [2, 3, 4])), await first]

    work = Doubling()
    assert asyncio.run(one_after_the_other()) == [4, 6, 8, 2]
    assert work.batches == [[1], [2, 3, 4]]


def test_no_batch_is_larger_than_allowed() -> None:
    answers, batches = ask(list(range(7)), 3)
    assert answers == [0, 2, 4, 6, 8, 10, 12]
    assert batches == [[0, 1, 2], [3, 4, 5], [6]]


def test_an_error_is_that_of_its_batch_alone() -> None:
    answers, _ = ask([1, 13, 2, 3], 2)
    assert [str(answers[0]), str(answers[1])] == ["13 brings bad luck"] * 2
    assert answers[2:] == [4, 6]


def test_who_gave_up_is_left_out() -> None:
    async def impatient() -> int:
        together = Together(work, 1)
        first, second, third = (asyncio.create_task(together(i)) for i in (1, 2, 3))
        await asyncio.sleep(0.01)
        second.cancel()
        await first
        return await third

    work = Doubling()
    assert asyncio.run(impatient()) == 6
    assert work.batches == [[1], [3]]


def test_it_can_be_asked_again_when_it_was_done() -> None:
    async def twice() -> list[int]:
        together = Together(work, 8)
        return [await together(1), await together(2)]

    work = Doubling()
    assert asyncio.run(twice()) == [2, 4]
