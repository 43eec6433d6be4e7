"""When a silence is told."""

from millstream.core.silence import Silence


def test_a_silence_is_told_when_it_lasts_and_when_it_is_over() -> None:
    """Not at once, then now and then, its end once; a new one begins anew."""
    silence = Silence(soon_s=3, remind_s=10)

    told = [silence.lasts(at=100.0 + second) for second in range(25)]
    ends = [silence.ends(at=130.0), silence.ends(at=131.0)]

    assert [second for second, lasted_s in enumerate(told) if lasted_s is not None] == [3, 13, 23]
    assert [lasted_s for lasted_s in told if lasted_s is not None] == [3.0, 13.0, 23.0]
    assert ends == [30.0, None]
    assert silence.lasts(at=200.0) is None
    assert silence.is_on


def test_the_end_of_a_silence_that_nobody_heard_of_is_not_told() -> None:
    """It was too short."""
    silence = Silence(soon_s=3, remind_s=10)
    silence.lasts(at=100.0)

    assert silence.ends(at=102.0) is None
    assert not silence.is_on
