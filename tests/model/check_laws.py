"""usage: python3 tests/model/check_laws.py [--cases N] [--seed S] [--law K] [--design D] [--case C]

Checks the laws of the rules of time on random cases. Prints each law with its number of cases; where one fails, its seed
and a minimal case, and exits 1. Without --design the rejected rules are tried too: each must fail the law it is known for.
"""

import argparse
import random
import sys
import time
from collections import Counter

import laws_of_recovery  # noqa: F401  (each registers its laws)
import laws_of_overflow  # noqa: F401
import laws_of_reload  # noqa: F401
import laws_of_samples  # noqa: F401
import laws_of_suppression  # noqa: F401
import laws_of_time  # noqa: F401
from controls import DESIGNS
from laws import LAWS, first_failure
from minimize import minimal


def made(law, seed, number):
    """Makes a case from nothing but the law's name, the seed and its number."""
    return law.make(random.Random(f"{law.name}/{seed}/{number}"))


def try_law(law, design, seed, numbers):
    """Returns how often what was looked at, and the first case that fails with what is wrong."""
    counts = Counter()
    for number in numbers:
        case = made(law, seed, number)
        counts["cases"] += 1
        if first_failure(law, case, design, counts):
            return counts, number
    return counts, None


def report(law, design, seed, number):
    case = minimal(law, made(law, seed, number), design)
    print(f"FAILED law {law.name} ({law.title}) by {design.name}: --law {law.name} --seed {seed} --case {number}")
    print(case.describe())
    print("  ", first_failure(law, case, design))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--cases", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--law", action="append", choices=list(LAWS))
    arguments.add_argument("--case", type=int)
    arguments.add_argument("--design", default="proposed", choices=list(DESIGNS))
    options = arguments.parse_args()
    design = DESIGNS[options.design]
    numbers = range(options.cases) if options.case is None else [options.case]
    is_fine = True
    for law in [LAWS[name] for name in options.law or LAWS]:
        begin = time.process_time()
        counts, failed = try_law(law, design, options.seed, numbers)
        looked_at = ", ".join(f"{count} {what}" for what, count in counts.items() if what != "cases")
        print(f"law {law.name:12} {counts['cases']:6} cases  {time.process_time() - begin:5.1f} s  {law.title} ({looked_at})", flush=True)
        if failed is not None:
            is_fine = False
            report(law, design, options.seed, failed)
    sys.exit(0 if is_fine else 1)


if __name__ == "__main__":
    main()
