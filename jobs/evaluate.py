"""Judge a registered model on later races as a Ray job: the same as `oracle evaluate --json`.

ray job submit --address http://HOST:8265 --working-dir . -- python jobs/evaluate.py --data DATASET
"""

from oracle.cli.app import main

if __name__ == "__main__":
    main("evaluate", "--json")
