"""Model families, each behind one protocol (`ranker`), and the folder a fitted model is kept in (`package`)."""
