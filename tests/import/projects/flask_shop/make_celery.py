from shop import create_app

web = create_app()
celery_app = web.extensions["celery"]
