/*
 * Looking at live requests, whatever version of HTTP carries them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/live.h"

struct visit {
    void (*each)(void *arg, struct exchange *x);
    void *arg;
};

static void visit_record(void *arg, void *object)
{
    const struct visit *visit = arg;
    struct exchange *x = object; /* which every version's record begins with */
    if (x->begin_ns != 0)
        visit->each(visit->arg, x);
}

void http_each_live(struct http *h, void (*each)(void *arg, struct exchange *x), void *arg)
{
    struct visit visit = {.each = each, .arg = arg};
    pool_each(&h->records, visit_record, &visit);
}

void http_live_read(const struct exchange *x, struct http_live *live)
{
    x->ops->live(x, live);
}

const char *http_live_text(enum http_live_state state)
{
    static const char *const texts[] = {
        [LIVE_RUNNING] = "running",     [LIVE_FAILED] = "running",  [LIVE_WAITING] = "waiting",
        [LIVE_RECEIVING] = "receiving", [LIVE_SENDING] = "sending", [LIVE_DRAINING] = "draining",
    };
    return texts[state];
}
