from django.db import models


class Order(models.Model):
    """What is bought."""

    number = models.CharField(max_length=20, unique=True)
    placed_at = models.DateTimeField(auto_now_add=True)
