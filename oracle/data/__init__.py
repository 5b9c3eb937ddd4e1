"""Raw results become the canonical runner table: translated, checked, kept as a dataset, split by date."""
