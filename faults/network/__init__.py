"""Faults of the network: a port cut, packets delayed or lost, hosts cut off, no names resolved.

Two ways lead to the worker's packets. In an ECS task it is the agent's fault endpoints (``agent``); on a host
nftables and tc (``host``, ``ruleset``, ``queueing``). Which one, the target's ``network.through`` says.
"""
