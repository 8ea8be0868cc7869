"""AWS for tests: moto's server for what clients set, and a front of our own for what happens then.

`Front` is an HTTP endpoint for boto3. It carries out deployments of ECS over time (services, tasks,
service deployments and revisions, circuit breaker, target health, requests and their metrics), runs
each task as a process on an address of its own, and hands on all else to moto. Every answer of its
own is held against botocore's models before it is sent.
"""
