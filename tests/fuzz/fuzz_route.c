/*
 * Paths and the router: input is a path, or "METHOD HOST PATH". What is accepted has no dot segments left and stays
 * below the root, and a lookup gives what it promises.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "web/router.h"

static const struct {
    const char *method, *host, *pattern;
} routes[] = {
    {"GET", NULL, "/"},
    {"GET", NULL, "/file/{file:^.*$}"},
    {"GET", NULL, "/file/static"},
    {"GET", NULL, "/users/{id:[0-9]+}/posts/{post}"},
    {"POST", NULL, "/users/{name}/posts/{post}"},
    {NULL, NULL, "/users/me/{rest:.+}"},
    {"PUT", "a.example.org", "/{a}/{b}/{c}"},
    {"GET", "*.example.org", "/{a:x+y}/{b:(a|b)+}"},
    {"DELETE", NULL, "/a/{b:[a-z/]{1,8}}"},
};

struct world {
    struct fuzz_memory memory;
    struct router *router;
    struct regex_context *context;
};

static struct world *world_get(void)
{
    static struct world world;
    if (world.router)
        return &world;
    fuzz_memory_open(&world.memory);
    world.router = router_new(&world.memory.account);
    FUZZ_CHECK(world.router);
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        char message[256];
        int error = router_add(world.router, routes[i].method, routes[i].host, routes[i].pattern, world.router, message,
                               sizeof message);
        if (error)
            fprintf(stderr, "%s\n", message);
        FUZZ_CHECK(error == 0);
    }
    world.context = router_context_new(world.router, &world.memory.account);
    FUZZ_CHECK(world.context);
    return &world;
}

static struct slice word(struct slice *text)
{
    const char *space = text->len ? memchr(text->data, ' ', text->len) : NULL;
    size_t len = space ? (size_t)(space - text->data) : 0;
    struct slice first = slice_of(text->data, len);
    if (space)
        *text = slice_of(space + 1, text->len - len - 1);
    return first;
}

static void check_path(const struct path *path)
{
    FUZZ_CHECK(path->route.len > 0 && path->route.data[0] == '/' && path->text.data[0] == '/');
    FUZZ_CHECK(path->route.len == path->decoded.len && path->text.len >= path->decoded.len);
    FUZZ_CHECK(!memchr(path->decoded.data, 0, path->decoded.len));
    const char *at = path->route.data + 1, *end = path->route.data + path->route.len;
    for (;;) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t len = (size_t)((slash ? slash : end) - at);
        FUZZ_CHECK(!(len == 1 && at[0] == '.') && !(len == 2 && at[0] == '.' && at[1] == '.'));
        if (!slash)
            break;
        at = slash + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *w = world_get();
    if (size > 16000)
        return 0;
    char *copy = fuzz_copy(data, size, 0);
    struct slice text = slice_of(copy, size);
    struct slice method = word(&text), host = word(&text);
    struct path path;
    struct router_match match;
    if (method.len == 0)
        method = SLICE("GET");
    if (path_normalize(text, &w->memory.arena, &path) == 0) {
        check_path(&path);
        enum router_outcome outcome =
            router_match(w->router, w->context, &w->memory.arena, method, host, &path, &match);
        FUZZ_CHECK((outcome == ROUTER_FOUND) == (match.value == w->router));
        FUZZ_CHECK(outcome != ROUTER_METHOD || match.allow[0] != '\0');
        size_t total = 0;
        for (size_t i = 0; outcome == ROUTER_FOUND && i < match.param_count; i++)
            total += strlen(match.params[i].value);
        FUZZ_CHECK(total <= path.decoded.len);
    }
    fuzz_memory_clear(&w->memory);
    free(copy);
    return 0;
}
