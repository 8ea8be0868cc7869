"""A Kubernetes API server that is no cluster: what it says is as a real one says it, over HTTP."""
