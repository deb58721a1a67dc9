import os
from datetime import timedelta

from celery.schedules import crontab, solar

CELERY = {
    "broker_url": os.environ.get("SHOP_BROKER", "redis://localhost:6379/0"),
    "result_backend": os.environ.get("SHOP_BROKER", "redis://localhost:6379/0"),
    "imports": ["shop.tasks"],
    "timezone": "America/New_York",
    "task_default_queue": "web",
    "task_routes": {"shop.tasks.send_mail": {"queue": "mail"}},
    "beat_schedule": {
        "warm the cache": {"task": "shop.tasks.warm", "schedule": 15.0, "options": {"expires": 10}},
        "expire carts": {"task": "shop.tasks.expire_carts", "schedule": timedelta(hours=1)},
        "daily newsletter": {
            "task": "shop.tasks.send_mail",
            "schedule": crontab(minute=30, hour=7, day_of_week="mon-fri"),
            "args": ("newsletter",),
            "kwargs": {"segment": "subscribers"},
        },
        "first Monday": {
            "task": "shop.tasks.close_books",
            "schedule": crontab(minute=0, hour=6, day_of_week="mon", day_of_month="1-7"),
        },
        "lights": {"task": "shop.tasks.lights", "schedule": solar("dusk_civil", 40.71, -74.01)},
    },
}
