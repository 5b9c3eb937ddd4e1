"""Train on a dataset as a Ray job: the same run as `oracle train --json`.

ray job submit --address http://HOST:8265 --working-dir . -- python jobs/train.py --data DATASET
"""

from oracle.cli.app import main

if __name__ == "__main__":
    main("train", "--json")
