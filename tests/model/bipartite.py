"""The choice of a sample: distinct events, one for each term, by bipartite matching (augmenting paths)."""


def choose(terms, events, required):
    """Returns an event for each term, all distinct and `required` among them; nothing if there is no such choice.

    The required events are matched first. An augmenting path never frees an event that is matched, so they stay, and if
    a choice for all terms exists besides, one that does both exists (Mendelsohn and Dulmage).
    """
    event_of, term_of = {}, {}
    for event in required:
        if not _augment_from_event(event, terms, event_of, term_of, set()):
            return None
    for term in range(len(terms)):
        if term not in event_of and not _augment_from_term(term, terms, events, event_of, term_of, set()):
            return None
    return tuple(event_of[term] for term in range(len(terms)))


def _augment_from_event(event, terms, event_of, term_of, tried):
    for term, tag in enumerate(terms):
        if tag in event.tags and term not in tried:
            tried.add(term)
            other = event_of.get(term)
            if other is None or _augment_from_event(other, terms, event_of, term_of, tried):
                event_of[term] = event
                term_of[event.identity] = term
                return True
    return False


def _augment_from_term(term, terms, events, event_of, term_of, tried):
    for event in events:
        if terms[term] in event.tags and event.identity not in tried:
            tried.add(event.identity)
            other = term_of.get(event.identity)
            if other is None or _augment_from_term(other, terms, events, event_of, term_of, tried):
                event_of[term] = event
                term_of[event.identity] = term
                return True
    return False
