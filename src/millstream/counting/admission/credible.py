"""Tell which of the last times of an input are to be believed.

Theory of operation: while more frames come, time tells whether a frame far ahead was a jump or a lie. At the end of the
input nothing more comes, so the frames at hand must tell. In an undamaged input each time is at most `slack` behind
every time before it. The largest part of the times at hand for which that holds is the likeliest truth (fewest frames
are wrong), and there may be several of that size. A time is believed if it is in one of them: then an undamaged input
is believed as a whole, whatever its spacing, and a single wrong time can make no other one doubtful, since all the
others are such a part. A wrong time is doubted as soon as two right ones that contradict it follow.

Such a part is walked along its records (times larger than all before it in the part): all that counts between a record
and the next one is what lies at most `slack` behind the former. So the longest continuation of a record follows from
those of the records after it, a dynamic programme over pairs of times: 63 of them take about a millisecond.
"""

from collections.abc import Iterator, Sequence


def credible(times: Sequence[int], *, slack: int) -> list[bool]:
    """Whether each of `times`, in order of arrival, is in some largest part that is in order but for `slack`."""
    before, after = _up_to(times, slack), _onwards(times, slack)
    best = max((left + right - 1 for left, right in zip(before, after, strict=False)), default=0)
    believed = [False] * len(times)
    for record, (left, right) in enumerate(zip(before, after, strict=False)):
        if left + right - 1 == best:
            believed[record] = True
            most = max(
                inside for following, inside in _steps(times, record, slack) if inside + after[following] == right - 1
            )
            for place in _behind(times, record, slack)[:most]:
                believed[place] = True
    return believed


def _behind(times: Sequence[int], record: int, slack: int) -> list[int]:
    """The places after `record` of times that are not larger, but within the slack."""
    time = times[record]
    return [place for place in range(record + 1, len(times)) if time - slack <= times[place] <= time]


def _steps(times: Sequence[int], record: int, slack: int) -> Iterator[tuple[int, int]]:
    """Each place that may be the next record after `record`, with how many times fit in between; at last the end."""
    time, inside = times[record], 0
    for place in range(record + 1, len(times)):
        if times[place] > time:
            yield place, inside
        elif times[place] >= time - slack:
            inside += 1
    yield len(times), inside


def _up_to(times: Sequence[int], slack: int) -> list[int]:
    """For each place, the size of the largest part up to it in which it is the last record."""
    sizes = [1] * (len(times) + 1)
    for record in range(len(times)):
        for following, inside in _steps(times, record, slack):
            sizes[following] = max(sizes[following], sizes[record] + inside + 1)
    return sizes[:-1]


def _onwards(times: Sequence[int], slack: int) -> list[int]:
    """For each place, the size of the largest part from it on in which it is the first record; at last 0."""
    sizes = [0] * (len(times) + 1)
    for record in reversed(range(len(times))):
        sizes[record] = 1 + max(inside + sizes[following] for following, inside in _steps(times, record, slack))
    return sizes
