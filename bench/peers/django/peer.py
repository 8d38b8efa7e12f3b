"""The article's programs on Django, in one module: settings, views and the WSGI application.

SPDX-License-Identifier: MIT
"""

import os
import time

from django.conf import settings
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path, re_path
from django.utils._os import safe_join

ROOT = os.path.abspath(os.environ["PEER_ROOT"])

settings.configure(
    DEBUG=False,
    SECRET_KEY=os.environ.get("PEER_SECRET_KEY", "of a server that keeps no secrets"),
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 1000}}},
    USE_TZ=True,
)


def not_found():
    return HttpResponse("File not found", content_type="text/plain", status=404)


def hello(_request):
    return HttpResponse("Hello, World!", content_type="text/plain")


def file(_request, name):
    try:
        return FileResponse(open(safe_join(ROOT, name), "rb"), content_type="application/octet-stream")
    except (OSError, ValueError):
        return not_found()


def stream(_request):
    def chunks():
        for i in range(1000000):
            yield b"Chunk %d\n" % i
            if i % 1000 == 0:
                time.sleep(0.001)

    return StreamingHttpResponse(chunks(), content_type="text/plain")


def large(_request):
    try:
        opened = open(os.path.join(ROOT, "large.bin"), "rb")
    except OSError:
        return not_found()

    def pieces():
        with opened:
            while piece := opened.read(8192):
                yield piece

    reply = StreamingHttpResponse(pieces(), content_type="application/octet-stream")
    reply["Content-Length"] = os.fstat(opened.fileno()).st_size
    return reply


def json(request):
    request_id = request.headers.get("X-Request-ID", "unknown")
    return JsonResponse({"request_id": request_id, "timestamp": int(time.time()), "status": "ok"})


def efficient(request):
    return HttpResponse(f"A reply to {request.path}, made in 1024 bytes of stack.\n", content_type="text/plain")


def csv(_request):
    def lines():
        with open(os.path.join(ROOT, "large_dataset.csv"), "rb") as opened:
            for line in opened:
                yield line.upper()

    return StreamingHttpResponse(lines(), content_type="text/csv")


def cached(_request, key):
    value = cache.get(key)
    hit = value is not None
    if not hit:
        value = {"key": key, "computed": True}
        cache.set(key, value)
    return JsonResponse(value, headers={"X-Cache": "HIT" if hit else "MISS"})


urlpatterns = [
    path("", hello),
    re_path(r"^file/(?P<name>.*)$", file),
    path("stream", stream),
    path("large", large),
    path("json", json),
    path("efficient", efficient),
    path("csv", csv),
    path("cache/<str:key>", cached),
]

application = get_wsgi_application()
