"""The status page: rendered here, readable without a script, kept up to date by our own. No other request."""
