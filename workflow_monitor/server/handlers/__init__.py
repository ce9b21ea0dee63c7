"""One module per noun: what each endpoint does."""
