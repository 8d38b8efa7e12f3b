/* Tests of the routes, in process: no port, no client. "Tests without a network" in weir.h says what else there is. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "routes.h"

static void expect(weir_server *s, const char *target, int status, const char *body)
{
    weir_test_reply *r = weir_test_request(s, &(weir_test){.target = target});
    assert(r && r->error == 0);
    if (r->status != status || strcmp(r->body, body) != 0)
        printf("%s: %d %s", target, r->status, r->body);
    assert(r->status == status && strcmp(r->body, body) == 0);
    weir_test_reply_free(r);
}

int main(void)
{
    weir_server *s = weir_server_new(NULL);
    routes(s);
    expect(s, "/hello/you", 200, "{\"hello\":\"you\"}\n");
    expect(s, "/hello/a%20%22b%22", 200, "{\"hello\":\"a \\\"b\\\"\"}\n");
    expect(s, "/health", 200, "good\n");
    expect(s, "/none", 404, "404 Not Found\nno such page\n");
    weir_server_free(s);
    return 0;
}
