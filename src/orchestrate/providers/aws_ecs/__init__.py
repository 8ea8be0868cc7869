"""Services on Amazon ECS: changed by ECS itself, or two of them behind weights that we set.

What belongs here: task definitions, services, target groups, and what AWS says of them. What does
not: the order of steps, and the building of images.
"""

from orchestrate.providers.aws_ecs.provider import AwsEcsProvider

__all__ = ["AwsEcsProvider"]
