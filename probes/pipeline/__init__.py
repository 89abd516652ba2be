"""Probes of the whole way of a message: queue, commit, remote, deployment."""
