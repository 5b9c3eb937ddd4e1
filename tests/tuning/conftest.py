from oracle import process

process.settle()  # LightGBM reads how its threads wait when it is loaded
