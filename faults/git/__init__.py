"""Git faults. A mode is one ``Entry`` of a family's table and one small function that returns the file changes.

``entry`` makes the undo record from them, ``edits`` applies it and ``reversal`` takes it back: a mode never
touches a file itself.
"""
