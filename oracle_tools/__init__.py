"""The command line of the oracle: checks, indexes, routes and jokes over a bundle of Markdown."""

__version__ = "0.1.0"
