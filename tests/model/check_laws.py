"""usage: python3 tests/model/check_laws.py [--cases N] [--seed S] [--law K]... [--case C] [--design D] [--no-controls]

Checks the laws of the rules of time on random cases. Prints each law with its number of cases; where one fails, its seed
and a minimal case, and exits 1. Then the rejected rules are tried: each must fail the law that it is known to break.
"""

import argparse
import random
import sys
import time
from collections import Counter

import laws_of_examples  # noqa: F401  (each registers its laws)
import laws_of_overflow  # noqa: F401
import laws_of_recovery  # noqa: F401
import laws_of_rekeying  # noqa: F401
import laws_of_reload  # noqa: F401
import laws_of_samples  # noqa: F401
import laws_of_suppression  # noqa: F401
import laws_of_time  # noqa: F401
from controls import CONTROLS, DESIGNS
from laws import LAWS, first_failure
from minimize import minimal


def make_case(law, seed, number):
    """Makes a case from nothing but the law's name, the seed and its number."""
    return law.make(random.Random(f"{law.name}/{seed}/{number}"))


def try_law(law, design, seed, numbers):
    """Returns how often what was looked at, and the number of the first case that fails."""
    counts = Counter()
    for number in numbers:
        counts["cases"] += 1
        if first_failure(law, make_case(law, seed, number), design, counts):
            return counts, number
    return counts, None


def check_law(law, design, seed, numbers):
    """Prints how a law fares; tells whether it holds."""
    begin = time.process_time()
    counts, failed = try_law(law, design, seed, numbers)
    looked_at = ", ".join(f"{count} {what}" for what, count in counts.items() if what != "cases")
    seconds = time.process_time() - begin
    print(f"law {law.name:16} {counts['cases']:7} cases {seconds:6.1f} s  {law.title} ({looked_at})", flush=True)
    if failed is None:
        return True
    case = minimal(law, make_case(law, seed, failed), design)
    print(f"FAILED by {design.name}: --law '{law.name}' --seed {seed} --case {failed} --design {design.name}")
    print(case.describe())
    print("  ", first_failure(law, case, design))
    return False


def check_control(control):
    """Prints whether a rejected rule fails as it has to."""
    law = LAWS[control.law]
    fails = first_failure(law, make_case(law, control.seed, control.case), DESIGNS[control.design])
    result = "fails, as it must" if fails else "DOES NOT FAIL: the checks no longer see what is wrong with it"
    print(f"control {control.design:22} law {law.name:16} seed {control.seed} case {control.case:5}  {result}", flush=True)
    return bool(fails)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300, help="cases of each law")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--law", action="append", choices=list(LAWS), help="only this one")
    parser.add_argument("--case", type=int, help="only this case of the seed")
    parser.add_argument("--design", default="proposed", choices=list(DESIGNS), help="the rules that are put to the test")
    parser.add_argument("--no-controls", action="store_true")
    return parser.parse_args()


def main():
    options = arguments()
    design = DESIGNS[options.design]
    numbers = range(options.cases) if options.case is None else [options.case]
    laws = [LAWS[name] for name in options.law or LAWS]
    results = [check_law(law, design, options.seed, numbers) for law in laws]
    is_whole_run = not options.law and options.case is None and options.design == "proposed"
    if is_whole_run and not options.no_controls:
        results += [check_control(control) for control in CONTROLS]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
