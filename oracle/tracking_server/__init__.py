"""MLflow's server with our guard before it: nothing moves a model but an approved request, and nothing goes unrecorded.

What a request would do and whether it may (`routes`, `attempt`, `guard`) is pure; the rest reads the state that the
judgement needs, writes the audit trail and answers.
"""
