"""Two versions on the same races: who is assigned to which arm."""
