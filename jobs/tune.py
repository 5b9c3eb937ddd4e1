"""Search hyperparameters and weights as a Ray job, on the Ray it was submitted to: `oracle tune --json`.

ray job submit --address http://HOST:8265 --working-dir . -- python jobs/tune.py --data DATASET
"""

import os

from oracle.cli.app import main

if __name__ == "__main__":
    joined = os.environ.get("RAY_ADDRESS")  # Ray tells every job where it runs
    main("tune", "--json", *(("--address", joined) if joined else ()))
