"""The raw layouts that results come in, one file each. `SOURCES` names them; any other file comes through a mapping."""
