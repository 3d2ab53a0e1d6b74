"""The ground: the tree of files, the Markdown reader, and edits."""
