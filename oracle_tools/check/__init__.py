"""The rules, the engine that runs them, and the forms in which findings are shown."""
