"""History played as live traffic through the real parts: the whole loop in compressed time.

`calendar` orders a history into moments and `told` says what is posted at each (pure). `parts` starts and stops the
real server in a home of its own, `play` posts, `loop` looks for drift and retrains, `record` remembers how far it is.
`outcome` compares what was served with the model that was never retrained and with the market, `leak` proves that
nothing was known early, `report` and `pictures` tell of it.
"""
