"""Long-running processes that outlive the service: the supervisor and its client.

What belongs here: starting, adopting, restarting and stopping programs on this machine, and facts
about processes and ports. It knows no revision and no traffic. Not a provider: the local provider
runs applications with it, the edge runs Traefik. `supervisor`, `replica`, `spec`, `identity`,
`files` and `logs` are loaded by a bare interpreter: standard library only, and few of it.
"""
