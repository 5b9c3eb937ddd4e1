"""Members blended within the race (`blend`), fitted and judged by date (`fit`), kept as one model (`race_model`)."""
