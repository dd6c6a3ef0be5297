import asyncio

from wssis_serve.micro_batcher import MicroBatcher


class Doubling:
    """Takes a moment, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def __call__(self, numbers: list[int]) -> list[int]:
        self.batches.append(numbers)
        await asyncio.sleep(0.02)
        if 13 in numbers:
            raise ValueError("13 brings bad luck")
        return [2 * number for number in numbers]


def ask(
    numbers: list[int], max_batch_size: int
) -> tuple[list[int | BaseException], list[list[int]]]:
    async def concurrently() -> list[int | BaseException]:
        batcher = MicroBatcher(work, max_batch_size)
        return await asyncio.gather(*map(batcher, numbers), return_exceptions=True)

    work = Doubling()
    return asyncio.run(concurrently()), work.batches


def test_the_first_call_does_not_wait_and_the_others_share_a_batch() -> None:
    async def one_after_the_other() -> list[int]:
        batcher = MicroBatcher(work, 8)
        first = asyncio.create_task(batcher(1))
        await asyncio.sleep(0.01)  # the first one is under way
        return [*await asyncio.gather(*map(batcher, [2, 3, 4])), await first]

    work = Doubling()
    assert asyncio.run(one_after_the_other()) == [4, 6, 8, 2]
    assert work.batches == [[1], [2, 3, 4]]


def test_as_many_batches_as_allowed_are_worked_on_at_once() -> None:
    async def one_after_the_other() -> list[int]:
        batcher = MicroBatcher(work, 8, at_once=2)
        first = []
        for number in (1, 2):
            first.append(asyncio.create_task(batcher(number)))
            await asyncio.sleep(0.002)  # it is under way
        return await asyncio.gather(*map(batcher, [3, 4, 5]), *first)

    work = Doubling()
    assert asyncio.run(one_after_the_other()) == [6, 8, 10, 2, 4]
    assert work.batches == [[1], [2], [3, 4, 5]]


def test_no_batch_is_larger_than_allowed() -> None:
    answers, batches = ask(list(range(7)), 3)
    assert answers == [0, 2, 4, 6, 8, 10, 12]
    assert batches == [[0, 1, 2], [3, 4, 5], [6]]


def test_an_error_belongs_to_its_batch_alone() -> None:
    answers, _ = ask([1, 13, 2, 3], 2)
    assert [str(answers[0]), str(answers[1])] == ["13 brings bad luck"] * 2
    assert answers[2:] == [4, 6]


def test_a_caller_that_gave_up_is_left_out() -> None:
    async def impatient() -> int:
        batcher = MicroBatcher(work, 1)
        first, second, third = (asyncio.create_task(batcher(i)) for i in (1, 2, 3))
        await asyncio.sleep(0.01)
        second.cancel()
        await first
        return await third

    work = Doubling()
    assert asyncio.run(impatient()) == 6
    assert work.batches == [[1], [3]]


def test_it_can_be_asked_again_after_it_was_idle() -> None:
    async def twice() -> list[int]:
        batcher = MicroBatcher(work, 8)
        return [await batcher(1), await batcher(2)]

    work = Doubling()
    assert asyncio.run(twice()) == [2, 4]
