"""Nothing is learned before the process is settled: LightGBM reads how its threads wait when it is loaded."""

from oracle import process

process.settle()
