"""`python -m datastore.history.asking`: the process that answers; `client.py` starts it and talks to it by pipes."""

import os
import sys

from datastore.history.asking.found import Answerer
from datastore.history.asking.serving import Orders, run


def _answerer(orders: Orders) -> Answerer:
    """DuckDB and NumPy are needed only where there is a history."""
    if orders.history:
        from datastore.history.asking.worker import Worker

        return Worker(orders)
    from datastore.history.asking.recent.answerer import Recent

    return Recent(orders)


if __name__ == "__main__":
    os._exit(run(Orders.read(sys.argv[1]), _answerer))  # a thread still waits for questions
