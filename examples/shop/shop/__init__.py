"""A shop on top of the extension: what it sells, for how much and to whom is decided in the database."""
