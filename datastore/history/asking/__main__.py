"""`python -m datastore.history.asking`: the process that answers; `client.py` starts it and talks to it by pipes."""

import os
import sys

from datastore.history.asking.worker import run

if __name__ == "__main__":
    os._exit(run(sys.argv[1]))  # a thread still waits for questions
