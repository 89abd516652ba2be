"""What HTTP needs around the API's verbs: routes and their shapes, who may, who did, and the server itself."""
