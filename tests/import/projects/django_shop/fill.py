"""What people have entered in the admin over the years."""
import os
import sys

import django

sys.path.insert(0, os.path.dirname(__file__))
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
django.setup()

from datetime import datetime, timedelta, timezone  # noqa: E402

from django.core.management import call_command  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)

from django_celery_beat.models import (  # noqa: E402
    ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule)
from orders.models import Order  # noqa: E402

Order.objects.create(number="2026-1")
ran = datetime(2026, 11, 29, 22, 0, 0, 123456, tzinfo=timezone.utc)
paris = {"timezone": "Europe/Paris"}
nightly = CrontabSchedule.objects.create(minute="30", hour="2", **paris)
workdays = CrontabSchedule.objects.create(minute="0", hour="7-19", day_of_week="mon-fri", **paris)
monthly = CrontabSchedule.objects.create(minute="0", hour="6", day_of_month="1", **paris)
tokyo = CrontabSchedule.objects.create(minute="0", hour="9", day_of_week="1-5", timezone="Asia/Tokyo")
minutely = IntervalSchedule.objects.create(every=5, period=IntervalSchedule.MINUTES)
often = IntervalSchedule.objects.create(every=30, period=IntervalSchedule.SECONDS)
sunset = SolarSchedule.objects.create(event="sunset", latitude="48.8566", longitude="2.3522")
launch = ClockedSchedule.objects.create(clocked_time=datetime(2027, 6, 1, 8, tzinfo=timezone.utc))

tasks = [
    PeriodicTask(name="Charge orders", task="orders.tasks.charge", interval=often, kwargs='{"batch": 500}', last_run_at=ran),
    PeriodicTask(name="Remind after 3 days", task="orders.tasks.remind", crontab=workdays, args="[3]",
                 kwargs='{"channel": "sms"}'),
    PeriodicTask(name="Nightly report", task="orders.tasks.report", crontab=nightly, args='["sales"]',
                 kwargs='{"recipients": ["ops@example.com"]}', description="Read by the board.", expire_seconds=7200),
    PeriodicTask(name="Monthly report", task="orders.tasks.report", crontab=monthly, args='["month"]', priority=3),
    PeriodicTask(name="Tokyo report", task="orders.tasks.report", crontab=tokyo, args='["tokyo"]', queue="reports",
                 headers='{"tenant": "jp"}'),
    PeriodicTask(name="Prices", task="orders.tasks.sync", interval=minutely, args='["acme"]', last_run_at=ran),
    PeriodicTask(name="Prices (old supplier)", task="orders.tasks.sync", interval=minutely, args='["fabrikam"]',
                 enabled=False),
    PeriodicTask(name="Shop lights", task="orders.tasks.sync", solar=sunset, args='["lights"]'),
    PeriodicTask(name="Launch", task="orders.tasks.remind", clocked=launch, one_off=True, args="[0]"),
    PeriodicTask(name="Advent", task="orders.tasks.remind", crontab=nightly, args="[1]",
                 start_time=datetime(2026, 11, 1, tzinfo=timezone.utc),
                 expires=datetime(2026, 12, 24, 23, tzinfo=timezone.utc)),
]
for task in tasks:
    task.save()
call_command("dumpdata", "django_celery_beat", "orders", output=sys.argv[1], verbosity=0)
