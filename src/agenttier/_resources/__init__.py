"""The Router's endpoints, one file a group: each a pure function that returns an operation."""
