"""Watch the production model as a Ray job: the same as `oracle monitor --json`, one line of JSON a look.

ray job submit --address http://HOST:8265 --working-dir . -- python jobs/monitor.py --every 1h --data DATASET

The jobs it submits go to the address given with --address; without, they are processes beside it.
"""

from oracle.cli.app import main

if __name__ == "__main__":
    main("monitor", "--json")
