"""What a staking plan would have done with a model's probabilities: stakes, settlement, and how much that proves. Pure.

A `plan` says what to stake, `settle` what a stake returns, `replay` walks a plan over races in the order of their off,
`ledger` adds up what came of it, and `evidence` says whether the return can be told from nothing. None of it promises a
profit: it is there to see that there is none before money does.
"""
