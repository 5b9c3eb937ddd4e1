"""Who may do what to a model, who said yes, and what is remembered of it. Pure: decisions and values, no acts.

What acts on these decisions stands elsewhere: the registry's authority moves the alias, the store keeps the records,
the tracking server stands guard.
"""
