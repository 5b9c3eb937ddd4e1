"""Compare two windows of races as a Ray job, its work spread by Ray Data: `oracle drift --json`.

ray job submit --address http://HOST:8265 --working-dir . -- python jobs/drift.py --reference A --current B
"""

import os

from oracle.cli.app import main

if __name__ == "__main__":
    joined = os.environ.get("RAY_ADDRESS")  # Ray tells every job where it runs
    main("drift", "--json", *(("--address", joined) if joined else ()))
