"""How jobs reach workers: the protocol that any queue fulfils, and the queues."""
