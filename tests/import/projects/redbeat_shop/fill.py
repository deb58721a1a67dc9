"""What the shop's customers have set up, beside the schedule in its code."""
from datetime import datetime, timezone

from celery.schedules import crontab, schedule
from redbeat import RedBeatScheduler, RedBeatSchedulerEntry
from redbeat.schedules import rrule
from shop import app

RedBeatScheduler(app=app, lazy=True).setup_schedule()
ran = datetime(2026, 11, 29, 22, 0, tzinfo=timezone.utc)
for tenant, timing, options in [
    ("acme", crontab(minute=0, hour=6), {}),
    ("fabrikam", crontab(minute=30, hour="8-18", day_of_week="mon-fri"), {"queue": "fast"}),
    ("initech", schedule(900), {}),
    ("umbrella", rrule("WEEKLY", byweekday=(0, 3), byhour=9, byminute=0, bysecond=0,
                       dtstart=datetime(2026, 1, 1, tzinfo=timezone.utc)), {"priority": 3}),
]:
    entry = RedBeatSchedulerEntry(f"export-{tenant}", "shop.export", timing, args=[tenant], options=options, app=app)
    entry.last_run_at = ran
    entry.save()
off = RedBeatSchedulerEntry("export-gone", "shop.export", crontab(minute=0), args=["gone"], enabled=False, app=app)
off.save()
