"""The reference worker: a small complete worker of the kind that chaosd is for.

It takes a message from a queue, does its work on the branch of the conversation thread in a clone of its own,
pushes, deploys, answers, and deletes the message last. It is correct by default; ``--defect NAME`` makes it
misbehave in one known way (``defects``). It shares no code with chaosd's ports, so that a bug there cannot hide.
"""
