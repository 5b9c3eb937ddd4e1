"""Model versions: how they are numbered (pure), how any MLflow user loads them, and their life in the registry."""
