"""Faults of the worker's AWS calls: rules that chaosd's fault proxy carries out on the way."""
