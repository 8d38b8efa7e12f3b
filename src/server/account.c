/*
 * The program's own accounts: memory for its data that the ledger shows and the bounds hold. A block is preceded by its
 * size and its account; both are counted.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/account.h"
#include "base/log.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>

struct weir_account {
    struct account account;
    struct weir_server *server;
    struct weir_account *parent;          /* NULL: none */
    struct list link;                     /* in the server's accounts */
    size_t below GUARDED_BY(server_lock); /* accounts below it that are open */
    size_t size;                          /* of this record */
    char name[];                          /* PARENT/NAME */
};

struct block {
    size_t size; /* size of the block, with this head */
    struct weir_account *account;
};

_Static_assert(sizeof(struct block) == 16, "a block has to be aligned as malloc's are");

/* The ledger's rows are found by their names, and shown in places where control characters would break lines. */
static bool name_is_good(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == '/')
            return false;
    return len > 0;
}

weir_account *weir_account_open(weir_server *s, weir_account *parent, const char *name, size_t limit)
{
    if (!s || !name_is_good(name) || (parent && parent->server != s))
        return NULL;
    size_t len = strlen(name) + (parent ? strlen(parent->name) + 1 : 0);
    if (len >= WEIR_ACCOUNT_NAME_SIZE)
        return NULL;
    weir_account *a = memory_alloc(&s->account, sizeof *a + len + 1);
    if (!a)
        return NULL;
    *a = (weir_account){.server = s, .parent = parent, .size = sizeof *a + len + 1};
    snprintf(a->name, len + 1, "%s%s%s", parent ? parent->name : "", parent ? "/" : "", name);
    account_open_shared(&a->account, &s->memory, a->name, parent ? &parent->account : NULL, limit);
    server_lock_acquire(&s->lock);
    list_push_back(&s->accounts, &a->link);
    if (parent)
        parent->below++;
    server_lock_release(&s->lock);
    return a;
}

static void account_remove(weir_account *a) REQUIRES(server_lock)
{
    list_remove(&a->link);
    if (a->parent)
        a->parent->below--;
}

static void account_free(weir_account *a)
{
    account_close(&a->account);
    memory_free(&a->server->account, a, a->size);
}

int weir_account_close(weir_account *a)
{
    if (!a)
        return 0;
    weir_server *s = a->server;
    server_lock_acquire(&s->lock);
    bool busy = a->below > 0 || counter_read(&a->account.reserved) > 0;
    if (!busy)
        account_remove(a);
    server_lock_release(&s->lock);
    if (busy)
        return WEIR_EBUSY;
    account_free(a);
    return 0;
}

/* The account that was opened last, which is below nobody who is left; NULL: there is none. */
static weir_account *account_remove_last(weir_server *s)
{
    weir_account *a = NULL;
    server_lock_acquire(&s->lock);
    if (!list_empty(&s->accounts)) {
        a = container_of(s->accounts.prev, struct weir_account, link);
        account_remove(a);
    }
    server_lock_release(&s->lock);
    return a;
}

void accounts_close_all(weir_server *s)
{
    weir_account *a;
    while ((a = account_remove_last(s))) {
        uint64_t left = counter_read(&a->account.reserved);
        if (left > 0) {
            log_error(&s->log, "account %s: the program has not given back %llu bytes", a->name,
                      (unsigned long long)left);
            memory_return(&a->account, (size_t)left);
        }
        account_free(a);
    }
}

void *weir_account_alloc(weir_account *a, size_t size)
{
    struct block *b = a && size <= SIZE_MAX - sizeof *b ? memory_alloc(&a->account, size + sizeof *b) : NULL;
    if (!b)
        return NULL;
    *b = (struct block){.size = size + sizeof *b, .account = a};
    return b + 1;
}

void weir_account_free(weir_account *a, void *p)
{
    if (!a || !p)
        return;
    struct block *b = (struct block *)p - 1;
    weir_assert(b->account == a);
    memory_free(&a->account, b, b->size);
}
