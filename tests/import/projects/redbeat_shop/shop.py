import os

from celery import Celery
from celery.schedules import crontab

app = Celery("shop", broker=os.environ.get("SHOP_BROKER", "redis://localhost:6379/0"))
app.conf.update(
    timezone="Asia/Seoul",
    beat_scheduler="redbeat.RedBeatScheduler",
    redbeat_redis_url=os.environ.get("SHOP_BROKER", "redis://localhost:6379/0"),
    redbeat_key_prefix="shop:",
    task_default_queue="shop",
    task_routes={"shop.export": {"queue": "exports"}},
    beat_schedule={
        "cleanup": {"task": "shop.cleanup", "schedule": crontab(minute=0, hour=4)},
        "heartbeat": {"task": "shop.heartbeat", "schedule": 30.0, "options": {"expires": 20}},
    },
)


@app.task(name="shop.cleanup")
def cleanup():
    """Deletes what is old."""


@app.task(name="shop.heartbeat", ignore_result=True)
def heartbeat():
    """Says that it lives."""


@app.task(name="shop.export")
def export(tenant, format="csv"):
    """Writes a tenant's export."""
