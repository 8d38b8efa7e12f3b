/*
 * The records that registering and looking up share.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_ROUTE_PRIVATE_H
#define WEIR_WEB_ROUTE_PRIVATE_H

#include "web/route/method.h"
#include "web/route/router.h"
#include "web/route/tree.h"

/*
 * A registered route. The routes of a node are ordered so that the first one that accepts a method is the right one:
 * routes for any method last, and GET, which accepts HEAD too, after HEAD.
 */
struct router_route {
    struct router_route *next;
    void *value;
    uint64_t accepts; /* METHOD_BITs */
    const char *pattern;
    const char *method; /* NULL: any */
    const char *host;   /* NULL: any */
    uint32_t param_count;
    const char *names[]; /* of the parameters */
};

struct router {
    struct route_tree tree;
    struct regex *expressions;
    struct regex **list; /* where expressions are found and added: those above, or another router's */
    struct method_extensions extensions;
    bool below_hosts;             /* some host begins with "*." */
    uint64_t methods;             /* methods of the routes that are not for any method */
    struct router_route **routes; /* sorted; see router_each() */
    size_t route_count;
    size_t route_room;
};

#endif
