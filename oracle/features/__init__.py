"""Features of a runner, built strictly as of the off: from the card, and from races whose result was known by then.

The way through: `races` (columns in arrays) -> `runs` (what one run says) -> `ledger` and `ratings` (what is known of
each horse, jockey, trainer and course) -> `state` (all of it as of a moment) -> `registry` and its chapters (`form`,
`connections`, `suitability`, `conditions`, `market`) -> `build` (the matrix).
"""
