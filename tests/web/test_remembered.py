"""Answers that are remembered."""

import asyncio

import pytest

from millstream.web.remembered import Remembered


class Costly:
    """A question that takes `takes_s` of its own clock, and whose answer is how often it was asked."""

    def __init__(self, takes_s: float) -> None:
        self.now_s, self.takes_s, self.asked = 0.0, takes_s, 0

    async def ask(self) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        self.now_s += self.takes_s
        return self.asked


@pytest.mark.parametrize(("takes_s", "good_s"), [(0.0, 0.5), (0.001, 0.5), (1.0, 20.0)])
def test_what_costs_more_is_asked_less_often(takes_s: float, good_s: float) -> None:
    """The answer is given again until twenty times as long has passed as it took, half a second at least."""

    async def test() -> None:
        costly = Costly(takes_s)
        remembered = Remembered(costly.ask, monotonic=lambda: costly.now_s)

        assert await remembered.get() == 1
        costly.now_s += 0.99 * good_s
        assert await remembered.get() == 1
        costly.now_s += 0.02 * good_s
        assert await remembered.get() == 2

    asyncio.run(test())


def test_many_at_once_are_one_question() -> None:
    """Whoever asks while the answer is being found gets the same one."""

    async def test() -> None:
        costly = Costly(0.1)
        remembered = Remembered(costly.ask, monotonic=lambda: costly.now_s)

        assert set(await asyncio.gather(*(remembered.get() for _ in range(10)))) == {1}
        assert costly.asked == 1

    asyncio.run(test())
