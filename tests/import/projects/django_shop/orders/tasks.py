from celery import shared_task


@shared_task
def charge(batch=100):
    """Charges what was ordered."""


@shared_task(queue="mail", expires=3600)
def remind(days, channel="mail"):
    """Reminds customers of what they left in the cart."""


@shared_task(ignore_result=True, soft_time_limit=600, time_limit=660)
def report(kind, recipients=()):
    """Sends a report."""


@shared_task
def sync(source):
    """Takes prices over from a supplier."""
