"""A restart: what a checkpoint holds, where a replay starts, and how the state is rebuilt.

`run_with_history` is the uninterrupted run. It keeps what the product's trail of marks keeps: the clock before each
record, and the idle advances that dropped or decided something. `checkpoint_at` makes from that the few things that are
committed; `restart` has nothing else besides the records.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Checkpoint:
    """What is committed: all of it is here, and nothing else survives a restart."""

    position: int  # index of the next record
    idles_done: int  # idle advances that were made before the next record
    start: int  # index of the record at which the replay starts
    clock: object  # what the clock shows there, an unconfirmed step, the pace
    idle_pairs: tuple  # (index of the next record, elapsed) of each idle advance from the start on that did something
    seen_from: int = None  # serial from which the rule has seen the partition, where that is not before the start
    windows: tuple = ()  # of suppression


class History:
    """An uninterrupted run, and what it would have committed on its way."""

    def __init__(self):
        self.clocks = []  # before each record
        self.pairs = []
        self.outputs_before = {}  # (index, idle advances) -> number of outputs
        self.windows_before = {}
        self.partition = None

    def note_cut(self, index, idles_done):
        self.outputs_before[index, idles_done] = len(self.partition.outputs)
        self.windows_before[index, idles_done] = self.partition.windows_to_commit()

    def checkpoint_at(self, index, idles_done, start):
        partition = self.partition
        seen_from = partition.seen_from_position
        has_begun_since = seen_from is not None and (self.serials[start] <= seen_from or start == 0)
        before = [pair for pair in self.pairs if (pair[0], pair[2]) < (index, idles_done) and pair[0] >= start]
        return Checkpoint(
            position=index,
            idles_done=idles_done,
            start=start,
            clock=self.clocks[start],
            idle_pairs=tuple((at, elapsed) for at, elapsed, _ in before),
            seen_from=seen_from if has_begun_since else None,
            windows=self.windows_before.get((index, idles_done), ()),
        )


def run_with_history(partition, records):
    """Runs without interruption."""
    history = History()
    history.partition = partition
    history.serials = [record.serial for record in records]
    for index, record in enumerate(records):
        history.clocks.append(partition.clock.copy())
        for number, elapsed in enumerate(record.idle_before):
            history.note_cut(index, number)
            if partition.idle(elapsed):
                history.pairs.append((index, elapsed, number))
        history.note_cut(index, len(record.idle_before))
        partition.record(record)
    partition.finish()
    return history


def restart(partition, checkpoint, records):
    """Reads back in silence up to the committed position, then goes on; returns what leaves from there on."""
    partition.clock = checkpoint.clock.copy()
    partition.replay()
    partition.seen_from_position = checkpoint.seen_from
    for index in range(checkpoint.start, checkpoint.position):
        _advance_by_pairs(partition, checkpoint, index)
        partition.record(records[index])
    _advance_by_pairs(partition, checkpoint, checkpoint.position)
    partition.go_live(checkpoint.windows)
    before = len(partition.outputs)
    for elapsed in records[checkpoint.position].idle_before[checkpoint.idles_done:]:
        partition.idle(elapsed)
    partition.record(records[checkpoint.position])
    for record in records[checkpoint.position + 1:]:
        for elapsed in record.idle_before:
            partition.idle(elapsed)
        partition.record(record)
    partition.finish()
    return partition.outputs[before:]


def _advance_by_pairs(partition, checkpoint, index):
    for at, elapsed in checkpoint.idle_pairs:
        if at == index:
            partition.idle(elapsed)
