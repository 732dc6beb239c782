"""The REST endpoints, with their limits and their texts."""
