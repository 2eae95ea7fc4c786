"""Makes a failing case small: takes out records and idle time for as long as the case still fails."""

from dataclasses import replace

from laws import first_failure


def minimal(law, case, design):
    """Returns a case that fails from which no single record can be taken."""
    size = max(1, len(case.records) // 2)
    while size:
        case, is_smaller = _without_runs(law, case, design, size)
        size = size if is_smaller and size == 1 else size // 2
    return _without_idle_time(law, case, design)


def _without_runs(law, case, design, size):
    at, is_smaller = 0, False
    while at < len(case.records):
        smaller = replace(case, records=case.records[:at] + case.records[at + size:])
        if smaller.records and _fails(law, smaller, design):
            case, is_smaller = smaller, True
        else:
            at += size
    return case, is_smaller


def _without_idle_time(law, case, design):
    for record in case.records:
        for elapsed in record.idle_before:
            kept = record.idle_before
            record.idle_before = tuple(other for other in kept if other != elapsed)
            if not _fails(law, case, design):
                record.idle_before = kept
    return case


def _fails(law, case, design):
    try:
        return first_failure(law, case, design) is not None
    except (IndexError, KeyError, ValueError):
        return False  # the case lost what the law speaks of
