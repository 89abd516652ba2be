"""What people see: command line, HTTP, metrics, logs."""
