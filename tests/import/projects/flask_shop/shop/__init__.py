"""A web application with a factory, as Flask's documentation has it."""
from celery import Celery, Task


class Web:
    """Stands for the framework: a configuration, and a context for each call."""

    def __init__(self, name):
        self.name, self.config, self.extensions = name, {}, {}

    def app_context(self):
        from contextlib import nullcontext

        return nullcontext()


def celery_init_app(web):
    class ContextTask(Task):
        def __call__(self, *args, **kwargs):
            with web.app_context():
                return self.run(*args, **kwargs)

    app = Celery(web.name, task_cls=ContextTask)
    app.config_from_object(web.config["CELERY"])
    app.set_default()
    web.extensions["celery"] = app
    return app


def create_app():
    from . import config

    web = Web(__name__)
    web.config["CELERY"] = config.CELERY
    celery_init_app(web)
    return web
