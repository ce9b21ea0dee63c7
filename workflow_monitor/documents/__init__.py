"""The wire contract: documents of requests and responses, media types, header names, error codes, and input parsers."""
