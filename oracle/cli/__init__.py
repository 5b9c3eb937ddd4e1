"""The command line: one Typer app, every command a thin call into the rooms below."""
