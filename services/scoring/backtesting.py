"""How well the customer models foretold a window that is over."""
