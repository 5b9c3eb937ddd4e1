"""Who is told that something happened: what an alert says, where it goes, and that it arrives once."""
