"""One word, one chore: `oracle joke` is `joke.py`."""
