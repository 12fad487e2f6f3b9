"""What a model is: networks, manifests, bundles and the repository that holds them.

Shared by `training` and `service`; imports neither. Only `models.networks` imports torch.
"""
