"""The WebSocket endpoints: who is let in, what is said, and what is delivered late or never."""
