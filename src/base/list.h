/*
 * Intrusive doubly linked lists with a sentinel head: O(1) insertion and removal without allocation. A link that is in
 * no list points to itself, so that removing twice is harmless and membership can be asked.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_LIST_H
#define WEIR_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->next = l;
    l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert_after(struct list *at, struct list *l)
{
    l->next = at->next;
    l->prev = at;
    at->next->prev = l;
    at->next = l;
}

static inline void list_push_back(struct list *head, struct list *l)
{
    list_insert_after(head->prev, l);
}

static inline void list_push_front(struct list *head, struct list *l)
{
    list_insert_after(head, l);
}

static inline void list_remove(struct list *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}

/* Removes and returns the first link of a list; NULL if the list is empty. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *l = head->next;
    if (l == head)
        return NULL;
    list_remove(l);
    return l;
}

/* Moves all links of from behind the end of to; from is empty afterwards. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define list_for_each(l, head) for (struct list *l = (head)->next; l != (head); l = l->next)
/* list_for_each() whose body may remove l. */
#define list_for_each_safe(l, head)                                                                                    \
    for (struct list *l = (head)->next, *l##_next = l->next; l != (head); l = l##_next, l##_next = l->next)

#endif
