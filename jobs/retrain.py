"""A retraining as a Ray job: the same as `oracle retrain run --json`, on the Ray it was submitted to.

ray job submit --address http://HOST:8265 --working-dir . -- python jobs/retrain.py --retraining ID --data DATASET
"""

import os

from oracle.cli.app import main

if __name__ == "__main__":
    joined = os.environ.get("RAY_ADDRESS")  # Ray tells every job where it runs
    main("retrain", "run", "--json", *(("--address", joined) if joined else ()))
