"""The composition root: settings in, something that runs out. The only room that knows all others."""
