from celery import shared_task


@shared_task
def warm():
    """Fills the cache."""


@shared_task(priority=6)
def expire_carts():
    """Empties what nobody bought."""


@shared_task
def send_mail(template, segment=None):
    """Sends mail."""


@shared_task(queue="books", time_limit=3600)
def close_books():
    """Closes the month."""


@shared_task
def lights():
    """Switches the lights on."""
