"""The app and its REST endpoints: routes, messages, uploads, problems and the page."""
