"""A state machine of Deadlines, compared with a list that is looked through each time."""

from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gpool.wsgi.parking import Deadlines
from tests.support import Clock
from tests.wsgi.test_parking import ROUNDING, TICK

USUAL = 4.5  # seconds; with whole ones the wheel is never early
times = st.sampled_from([-3.0, 0.1, 1.3, USUAL, 9.0, 12.0, inf])
numbers = st.integers(0, 2)


class Timed:
    """One that counts on its own when it is due."""

    def __init__(self, machine):
        self.machine = machine
        self.deadline = inf
        self.slot = 0
        self.due = None
        self.latest = inf

    def expired(self):
        self.machine.met(self)


class DeadlinesMachine(RuleBasedStateMachine):
    @initialize(phase=st.sampled_from([0.0, 0.25, 0.5, 0.99]), usual=st.sampled_from([USUAL, inf]))
    def create(self, phase, usual):
        self.clock = Clock()
        self.clock.advance(phase)
        self.usual = usual
        self.deadlines = Deadlines(usual, TICK, self.clock)
        self.next_sweep = self.clock.now + TICK
        self.all = [Timed(self) for _ in range(3)]
        self.again = []  # what those that expire do, one after the other
        self.violations = []  # an error of expired() goes to the log

    # ------------------------------------------------------------------ what happens

    def met(self, timed):
        if timed.due is None:
            self.violations.append((timed, "dropped, or met before"))
        elif self.clock.now < timed.due - ROUNDING:
            self.violations.append((timed, "early"))
        timed.due = None
        if self.again:
            other, after = self.again.pop()
            self.put(timed if other is None else self.all[other], after)

    def put(self, timed, after):
        self.expect(timed, after)
        self.deadlines.set(timed, after)

    def expect(self, timed, after, *, usual=False):
        timed.due = None if after == inf else self.clock.now + after
        # The short way counts from the last sweep, and adds the tick that this may be ago.
        ticks = 3 if usual else 2
        timed.latest = self.clock.now + max(after, 0.0) + ticks * TICK + ROUNDING

    @rule(number=numbers, after=times)
    def set(self, number, after):
        self.put(self.all[number], after)

    @rule(number=numbers)
    def set_for_the_usual_time_as_connections_do(self, number):
        """`HTTPConnection.finish` has it written out."""
        timed, deadlines = self.all[number], self.deadlines
        self.expect(timed, self.usual, usual=True)
        timed.deadline = deadlines.usual
        if not 0 < timed.slot <= deadlines.usual_slot:
            deadlines.set(timed, self.usual)

    @rule(number=numbers)
    def drop(self, number):
        self.all[number].due = None
        self.deadlines.drop(self.all[number])
        assert self.all[number].slot == 0

    @rule(seconds=st.sampled_from([0.2, 0.5, 0.9, 1.0, 3.0]))
    def let_time_pass(self, seconds):
        until = self.clock.now + seconds
        while self.next_sweep <= until:
            self.clock.now = self.next_sweep
            self.sweep()
        self.clock.now = until

    @rule(
        again=st.lists(st.tuples(st.one_of(st.none(), numbers), times), min_size=1, max_size=4),
    )
    def let_those_that_expire_next_set_deadlines(self, again):
        self.again = again

    @rule(seconds=st.sampled_from([1.5, 2.5, 6.0]))
    def block_the_hub(self, seconds):
        self.clock.now = max(self.clock.now + seconds, self.next_sweep)
        for timed in self.all:
            timed.latest = max(timed.latest, self.clock.now + TICK + ROUNDING)
        self.sweep()

    def sweep(self):
        self.next_sweep = self.clock.now + TICK
        self.deadlines.sweep()

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def nobody_is_forgotten(self):
        if not hasattr(self, "all"):
            return
        assert not self.violations
        for timed in self.all:
            if timed.due is not None:
                assert timed.slot and self.clock.now <= timed.latest

    @invariant()
    def each_has_one_place(self):
        if hasattr(self, "all"):
            assert len(self.deadlines) == sum(timed.slot != 0 for timed in self.all)

    def teardown(self):
        """In the end, each is met in its time."""
        if hasattr(self, "all"):
            self.again.clear()
            for _ in range(60):
                self.let_time_pass(TICK / 3)
                self.nobody_is_forgotten()
            assert all(timed.due is None for timed in self.all)


DeadlinesMachine.TestCase.settings = settings(
    max_examples=70, stateful_step_count=40, deadline=None
)
test_deadlines_machine = DeadlinesMachine.TestCase
