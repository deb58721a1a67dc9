"""Settings of a Django project with one queue for django-rq."""

import os

SECRET_KEY = "none"
INSTALLED_APPS = ["django_rq"]
RQ_QUEUES = {"images": {"URL": os.environ["DOWNBEAT_TEST_BROKER"]}}
