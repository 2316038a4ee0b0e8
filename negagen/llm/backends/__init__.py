"""Language models: a server, transformers on this machine, a masked language model."""
