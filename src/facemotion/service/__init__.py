"""The REST service and the page: `facemotion serve` (extra `serve`)."""
