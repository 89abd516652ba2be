"""Git scenarios: a sandbox with a situation built by real git, a worker command let loose on it, and a verdict."""
