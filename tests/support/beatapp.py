"""An application for celery beat; its settings come from the environment."""

import json
import os

from celery import Celery

app = Celery("beatapp", broker=os.environ["DOWNBEAT_TEST_BROKER"])
app.conf.update(json.loads(os.environ["DOWNBEAT_TEST_SETTINGS"]))
