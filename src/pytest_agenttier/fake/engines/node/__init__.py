"""The node: the process below the fake in which pods are made and their commands run.

It is a program of its own, started with ``python -I -S`` and an empty environment, and imports
nothing but the standard library: what it forks must be small, single-threaded and know no secret.
"""
