"""Every fault of the matrix, over real HTTP from the wire to the text of a scrape."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from math import inf

import pytest

from exporter.model import Failure
from tests.aws.rig import Rig, Stage, rig
from tests.faults.bounds import bounded
from tests.faults.matrix import FAULTS, ODDITIES, Fault
from tests.faults.watch import GOOD, MINUTE, NOTHING, SAYS, STALE_AFTER, Watch
from tests.faulty import send

ATTEMPTS = 3


def code_of(watch: Watch, fault: Fault) -> str:
    """Poll while the fault lasts; give the code, which is one that may be."""
    with bounded():
        outcome = watch.poll(fault.timeout).outcome
    assert isinstance(outcome, Failure), outcome
    assert outcome.code in fault.codes, outcome
    return outcome.code


Begin = Callable[[], Rig]


def forms(fault: Fault, stage: Stage, stack: ExitStack) -> Iterator[Begin]:
    """Return each form of the fault: called, it begins, and gives the rig that meets it."""
    if fault.endpoint is not None:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("AWS_ENDPOINT_URL", stack.enter_context(fault.endpoint()))
        elsewhere = stack.enter_context(rig()).warm()
        yield lambda: elsewhere
    for behaviour in fault.behaviours:
        yield partial(stage.play, behaviour)


def well(stage: Stage) -> Watch:
    """Return a target that was polled while all was well."""
    watch = Watch(stage.play(send(GOOD)))
    watch.poll()
    watch.shows(SAYS, "ok")
    return watch


def met(stage: Stage, fault: Fault, begin: Begin) -> tuple[Watch, str]:
    """Have a target meet the fault that was well before; give it, and the error code."""
    known = well(stage)
    known.rig = begin()
    code = code_of(known, fault)
    known.shows(SAYS, "failing", code=code, good=1)
    return known, code


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FAULTS)
def test_fault(patient: Stage, name: str) -> None:
    """What was known stays, then goes stale; of what never was nothing is said; then it heals.

    It ends at its deadline, if nothing else ends it, and takes little memory.
    """
    fault = FAULTS[name]
    with ExitStack() as stack:
        begins = list(forms(fault, patient, stack))
        known, code = [met(patient, fault, begin) for begin in begins][-1]
        known.pass_time(STALE_AFTER - MINUTE)
        known.shows(NOTHING, "stale", code=code, polled=14, good=15)
        new = Watch(begins[-1]())
        new.shows(NOTHING, "pending", polled=inf, good=inf)
        code = code_of(new, fault)
        new.shows(NOTHING, "failing", code=code, good=inf)
    known.rig = new.rig = patient.play(send(GOOD))
    for watch in (known, new):
        watch.poll()
        watch.shows(SAYS, "ok")


@pytest.mark.parametrize("name", ["429 storm", "5xx storm"])
def test_a_storm_is_not_answered_with_a_storm(patient: Stage, name: str) -> None:
    """Three attempts a poll, with pauses between them."""
    for behaviour in FAULTS[name].behaviours:
        watch = Watch(patient.play(behaviour))
        watch.poll()
        assert len(patient.server.requests) == ATTEMPTS
        assert len(patient.pauses.waited) == ATTEMPTS - 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ODDITIES)
def test_oddity(patient: Stage, name: str) -> None:
    """A strange answer says what it says, no more and no less; the next usual one as usual."""
    oddity = ODDITIES[name]
    for behaviour in oddity.behaviours:
        watch = well(patient)
        watch.rig = patient.play(behaviour)
        with bounded():
            watch.poll()
        watch.shows(oddity.says, oddity.state)
        watch.rig = patient.play(send(GOOD))
        watch.poll()
        watch.shows(SAYS, "ok")
