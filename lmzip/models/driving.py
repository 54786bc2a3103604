"""Blocks that are coded together: a twin predicts for the lanes of all of them at once, the kernel codes.

Each block is in a thread of its own, which waits for it; one of these threads at a time takes turns for all: it has the
device predict for some blocks and meanwhile codes others, whose weights have come.  What comes out does not depend on
which blocks are together, nor on who takes the turns.  An encoder, and the proof of a payload, know what comes: of such
blocks many steps are predicted at once, as many as there is room for.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from lmzip.block import BlockSpec, Run
from lmzip.errors import UnsupportedError
from lmzip.native.driven import Batch, DrivenBlock, DrivenDecoder, DrivenEncoder
from lmzip.native.external import External
from lmzip.system import available_threads
from lmzip.twin.stepping import Prediction, Stepper

_WAIT = 0.05  # seconds between two looks at whether a block is still wanted, and whether somebody takes turns
_LOOK = 0.02  # seconds between two looks at how far blocks are
_AHEAD = 2  # predictions on their way: one that the device makes, one that is coded


class Member:
    """A block among others."""

    def __init__(self, block: DrivenBlock, known: np.ndarray | None) -> None:
        """known: (n_steps, n_lanes), its symbols, if they are known; those of lanes that have ended are arbitrary."""
        self.block, self.known = block, known
        self.rows = np.empty(0, np.int64)  # (n_lanes,) of its lanes
        self.at = 0  # steps whose prediction has begun
        self.n_ahead = 0  # predictions on their way
        self.is_over = self.has_left = False
        self.error: BaseException | None = None
        self.position = self.reached = 0  # as of the block

    @property
    def n_lanes(self) -> int:
        return self.block.spec.n_lanes

    @property
    def waits(self) -> bool:
        """Whether its next steps may be predicted."""
        if self.is_over:
            return False
        return not self.n_ahead if self.known is None else self.n_ahead < _AHEAD and self.at < len(self.known)

    def symbols(self, n_steps: int) -> np.ndarray:
        """Return the symbols (n_steps, n_lanes) int64 before the next steps, which are known, and arbitrary beyond the
        last.
        """
        assert self.known is not None
        found = np.zeros((n_steps, self.n_lanes), np.int64)
        found[0] = self.block.expert.start if self.at == 0 else self.known[self.at - 1]
        more = self.known[self.at : self.at + n_steps - 1]
        found[1 : 1 + len(more)] = more
        return found

    def next_symbols(self, n_steps: int) -> np.ndarray:
        """Return the known symbols (n_steps, n_lanes) of the next steps, arbitrary beyond the last."""
        assert self.known is not None
        found = np.zeros((n_steps, self.n_lanes), np.int64)
        there = self.known[self.at : self.at + n_steps]
        found[: len(there)] = there
        return found

    def n_left(self, n_steps: int) -> int:
        """Return how many of so many steps it still has."""
        return n_steps if self.known is None else min(n_steps, len(self.known) - self.at)


class _Together:
    """Blocks that are predicted for together: what does not change from one time to the next."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members
        self.batch = Batch([member.block for member in members])
        self.rows = np.concatenate([member.rows for member in members])
        self.first = np.cumsum([0, *(member.n_lanes for member in members[:-1])])  # of the lanes of each, in rows


class _Launch(NamedTuple):
    """A prediction on its way."""

    together: _Together
    prediction: Prediction
    n_steps: list[int]  # of each block


class Drive:
    """All blocks that are coded with one twin at a time."""

    def __init__(self, stepper: Stepper, expert: External, name: str, *, most_columns: int, most_steps: int) -> None:
        """name: of the model, for messages.  most_columns, most_steps: lanes times steps, and
        steps of blocks that are known, that are predicted at once.
        """
        self.stepper, self._expert, self._name = stepper, expert, name
        self._most_columns, self._most_steps = most_columns, most_steps
        self._n_threads = available_threads()
        self._lead = threading.Lock()  # of whoever takes turns: all that follows is his
        self._changed = threading.Condition()
        self._arriving: deque[Member] = deque()
        self._leaving: deque[Member] = deque()
        self._members: list[Member] = []  # those that wait longest first
        self._taken = np.zeros(stepper.n_rows, bool)
        self._symbols = np.zeros(stepper.n_rows, np.uint32)  # the last of the lanes in all rows
        self._together: dict[tuple[int, ...], _Together] = {}  # by the identities of members that are there
        self._looked = 0.0  # when positions were last asked for
        self._launched: deque[_Launch] = deque()

    def has_room(self, n_lanes: int) -> bool:
        """Return whether there are ever rows for a block of so many lanes."""
        return n_lanes <= self.stepper.n_rows

    def encode(self, raw, spec: BlockSpec, run: Run, known: np.ndarray, token_sizes: bytes = b"") -> bytes | None:
        """Return the payload of a block, as native.encode_block() does; known: as of Member."""
        block = DrivenEncoder(raw, spec, self._expert, token_sizes)
        self._code(Member(block, known), run)
        return block.payload()

    def decode(self, payload: bytes, spec: BlockSpec, run: Run, known: np.ndarray | None) -> memoryview:
        """Return the raw bytes of a block, as native.decode_block() does; known: those that should come out."""
        block = DrivenDecoder(payload, spec, self._expert)
        self._code(Member(block, known), run)
        return block.raw()

    # --- in the thread of a block -------------------------------------------------------------------------------------

    def _code(self, member: Member, run: Run) -> None:
        """Have a block coded with the others; raises what its work raised, and what run.progress raises."""
        done = reached = 0
        with self._joined(member):
            while True:
                is_over = member.is_over
                if run.progress:
                    position = member.position
                    run.progress(position - done)
                    done = position
                if run.reached and isinstance(member.block, DrivenDecoder):
                    before, reached = reached, member.reached
                    if reached > before and not run.reached(member.block.view, reached):
                        return
                if is_over:
                    break
                self._lead_or_wait(self._turn, lambda: member.is_over)
        if member.error:
            raise member.error

    @contextmanager
    def _joined(self, member: Member) -> Iterator[None]:
        """Within: the block is among the others."""
        self._arriving.append(member)
        try:
            yield
        finally:
            member.is_over = True  # what is still on its way for it is dropped
            self._leaving.append(member)
            while not member.has_left:
                self._lead_or_wait(self._settle, lambda: member.has_left)

    def _lead_or_wait(self, work: Callable[[], None], is_enough: Callable[[], bool]) -> None:
        """Do what whoever leads does, or wait a while for it.

        Nobody waits for the lead itself: who has it takes it again before another thread is awake.
        """
        if self._lead.acquire(blocking=False):
            try:
                if not is_enough():
                    work()
            finally:
                self._lead.release()
            return
        with self._changed:
            if not is_enough():
                self._changed.wait(_WAIT)

    # --- with the lead ------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Let blocks come, as far as there are rows, and go."""
        while self._leaving:
            member = self._leaving.popleft()
            self._together.clear()
            if member in self._arriving:
                self._arriving.remove(member)
            if member in self._members:
                self._members.remove(member)
            self._taken[member.rows] = False
            member.has_left = True
            with self._changed:
                self._changed.notify_all()
        while self._arriving and (first := self._first_free(self._arriving[0].n_lanes)) is not None:
            member = self._arriving.popleft()
            end = first + member.n_lanes
            member.rows = np.arange(first, end)
            self._taken[member.rows] = True
            member.block.keep_symbols_in(self._symbols[first:end])
            self._members.append(member)
            with self._reported([member]):
                self.stepper.restart(member.rows)

    def _first_free(self, n_lanes: int) -> int | None:
        """Return the first of so many free rows, one behind the other."""
        unit = 1 << (n_lanes - 1).bit_length()
        starts = range(0, self.stepper.n_rows - n_lanes + 1, unit)
        return next((at for at in starts if not self._taken[at : at + n_lanes].any()), None)

    def _turn(self) -> None:
        """Have the device predict for blocks that wait, and code what it has predicted before."""
        self._settle()
        with self._reported(self._members):
            if len(self._launched) < _AHEAD and (chosen := self._choose()):
                self._launch(chosen)
            if self._launched and (len(self._launched) == _AHEAD or not any(m.waits for m in self._members)):
                self._advance(self._launched.popleft())

    @contextmanager
    def _reported(self, members: list[Member]) -> Iterator[None]:
        """Within: what fails is raised in the threads of these blocks."""
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            self._launched.clear()
            for member in [*members]:
                member.error, member.is_over = self._failure(error), True
            if isinstance(error, KeyboardInterrupt):
                raise

    def _failure(self, error: BaseException) -> BaseException:
        import torch

        if isinstance(error, torch.OutOfMemoryError):
            return MemoryError(str(error))
        if isinstance(error, RuntimeError):
            line = (str(error).splitlines() or [""])[0]
            reason = f"{self.stepper.twin.device} ({line})"
            return UnsupportedError(f"the model {self._name} cannot be run on {reason}; --device cpu does without")
        return error

    def _choose(self) -> list[Member]:
        """Return blocks to predict for at once: of one kind, and where others can be coded meanwhile half of all."""
        waiting = [member for member in self._members if member.waits]
        if not waiting:
            return []
        is_known = waiting[0].known is not None
        alike = [member for member in waiting if (member.known is not None) == is_known]
        most = max(1, (sum(member.n_lanes for member in self._members) + 1) // 2)
        chosen: list[Member] = []
        n_lanes = 0
        for member in alike:
            if chosen and n_lanes + member.n_lanes > most:
                break
            chosen.append(member)
            n_lanes += member.n_lanes
        return chosen

    def _launch(self, chosen: list[Member]) -> None:
        key = tuple(map(id, chosen))
        together = self._together.get(key) or self._together.setdefault(key, _Together(chosen))
        n_steps, n_lanes, known = 1, len(together.rows), None
        if chosen[0].known is None:
            symbols = self._symbols[together.rows].astype(np.int64)[None]
        else:
            room = max(1, min(self._most_steps, self._most_columns // n_lanes))
            n_steps = 1 << room.bit_length() - 1  # few different shapes
            symbols = np.concatenate([member.symbols(n_steps) for member in chosen], 1)
            known = np.concatenate([member.next_symbols(n_steps) for member in chosen], 1)
        shares = [member.n_left(n_steps) for member in chosen]
        for member, n in zip(chosen, shares, strict=True):
            member.at += n
            member.n_ahead += 1
        gone = set(key)
        self._members = [
            member for member in self._members if id(member) not in gone
        ] + chosen  # these wait longest now
        self._launched.append(_Launch(together, self.stepper.predict(together.rows, symbols, known), shares))

    def _advance(self, launch: _Launch) -> None:
        """Code what was predicted."""
        together, predicted = launch.together, launch.prediction.wait()
        members, batch, lanes, n_steps = together.members, together.batch, together.first, np.array(launch.n_steps)
        if any(member.is_over for member in members):  # what is still on its way for these is dropped
            left = [i for i, member in enumerate(members) if not member.is_over]
            members, lanes, n_steps = [members[i] for i in left], lanes[left], n_steps[left]
            batch = Batch([member.block for member in members])
        batch.drive(predicted, lanes, n_steps, self._n_threads)
        self.stepper.give_back(launch.prediction)
        for member in members:
            member.n_ahead -= 1
        self._look(members)

    def _look(self, members: list[Member]) -> None:
        """Tell the threads of blocks what has come of them: at once where they are done, else once in a while."""
        is_time = time.monotonic() - self._looked > _LOOK
        for member in members:
            if is_time or member.block.is_done:
                member.position, member.reached = member.block.position, member.block.reached
                member.is_over = member.block.is_done
        if is_time:
            self._looked = time.monotonic()
        if any(member.is_over for member in members):
            with self._changed:
                self._changed.notify_all()
