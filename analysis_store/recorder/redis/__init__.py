"""The datastore in a Redis server, and the collector that moves its values to another datastore."""
