/*
 * The tree behind the router: a node for each place that patterns reach, an edge for each segment. Edges of text lead
 * through one hash table of the whole tree, keyed by parent and text, so that a step costs the same whether a node
 * has one child or ten thousand; the few other edges are numbers and short lists in the node.
 *
 * A pattern for any host that is text from end to end has a second edge, from the root to a node with the same routes,
 * whose text is the whole path without its first slash. Segments hold no slash, so that edge is in nobody's way; and
 * most requests of most servers are found in one step.
 *
 * A tree is built by one thread before anything is looked up, and is read-only afterwards. Nodes are named by number,
 * because the array moves while it grows.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_ROUTE_TREE_H
#define WEIR_WEB_ROUTE_TREE_H

#include "base/load.h"
#include "base/memory.h"
#include "base/slice.h"
#include "web/route/regex.h"

#include <stdint.h>

#define NODE_NONE     0u /* a link that leads nowhere: no edge ever leads to node 0 */
#define NODE_HOSTS    0u /* the node whose children are the roots of hosts */
#define NODE_ANY_HOST 1u /* the root for any host */

struct router_route; /* in private.h */

/*
 * An edge of text as the hash table knows it. For a text of up to 16 bytes, its words and its length are the text;
 * for a longer one, the first word is a hash.
 */
struct route_key {
    uint64_t word[2];
    uint64_t place; /* number of the parent, then length of the text, 32 bits each */
};

struct route_node {
    union {
        uint64_t word[2];          /* the key's, of a text edge of up to 16 bytes */
        const char *text;          /* the decoded segment that leads here, of a longer one */
        const struct regex *regex; /* of an expression's edge */
    };
    uint64_t place;              /* the key's, of a text edge */
    struct router_route *routes; /* routes that end here; see struct router_route */
    uint32_t texts;              /* number of text edges that leave */
    uint32_t parameter;          /* where {name} leads */
    uint32_t expressions;        /* first of the nodes where expressions lead that take a segment, in their order */
    uint32_t rests; /* first of the nodes where expressions lead that take the rest; those that take anything last */
    uint32_t next;  /* the next one of such a list */
    uint32_t padding_;
};
_Static_assert(sizeof(struct route_node) == 56, "a step of a lookup touches one node");

struct route_slot {
    uint32_t hash;
    uint32_t node; /* NODE_NONE: free */
};

struct route_block; /* permanent small memory */

struct route_tree {
    struct account *account;
    struct route_node *nodes;
    struct route_slot *slots; /* NULL as long as there is no text edge; at most half are taken */
    uint32_t slot_mask;
    uint32_t slots_taken;
    uint32_t node_count;
    uint32_t node_room;
    struct route_block *blocks;
};

/* Makes a tree of the two first nodes. False if there is no memory; then there is nothing to free. */
bool route_tree_init(struct route_tree *tree, struct account *account) MUST_CHECK;
void route_tree_done(struct route_tree *tree);

/* Memory that lives as long as the tree, aligned to 8, not cleared. NULL if there is none. */
void *route_tree_store(struct route_tree *tree, size_t size) MUST_CHECK;

/* The child of parent by text, by a parameter or by an expression, found or made. NODE_NONE if there is no memory. text
 * is copied, regex kept. */
uint32_t route_tree_text(struct route_tree *tree, uint32_t parent, struct slice text) MUST_CHECK;
uint32_t route_tree_parameter(struct route_tree *tree, uint32_t parent) MUST_CHECK;
uint32_t route_tree_expression(struct route_tree *tree, uint32_t parent, const struct regex *regex) MUST_CHECK;
uint32_t route_tree_rest(struct route_tree *tree, uint32_t parent, const struct regex *regex) MUST_CHECK;

#define KEY_WORDS_LEN 16 /* bytes that a key holds */
#define HASH_KEY_1    0xa0761d6478bd642fu
#define HASH_KEY_2    0xe7037ed1a0b428dbu

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* An edge's key, read by overlapping loads, which never look beyond the text. */
static inline __attribute__((always_inline)) struct route_key route_key_short(uint32_t parent, const char *p,
                                                                              size_t len)
{
    uint64_t place = (uint64_t)parent << 32 | len;
    if (len >= 8)
        return (struct route_key){{load_8(p), load_8(p + len - 8)}, place};
    if (len >= 4)
        return (struct route_key){{load_4(p), load_4(p + len - 4)}, place};
    if (len == 0)
        return (struct route_key){{0, 0}, place};
    uint64_t two = (unsigned char)p[0] | (uint64_t)(unsigned char)p[len >> 1] << 8;
    return (struct route_key){{two, (unsigned char)p[len - 1]}, place};
}

/* The key of an edge whose text is longer than KEY_WORDS_LEN. */
struct route_key route_key_long(uint32_t parent, const char *p, size_t len);

/*
 * The hash of a key: multiply and fold. The constants may be known to all: what is in the table comes from the program,
 * and what comes from the network is only looked up.
 */
static inline uint32_t route_hash(const struct route_key *key)
{
    return (uint32_t)hash_mix(key->word[0] ^ HASH_KEY_1 ^ key->place, key->word[1] ^ HASH_KEY_2);
}

uint32_t route_tree_find_long(const struct route_tree *tree, uint32_t parent, const char *text, size_t len);

/* route_tree_find() for a text of up to KEY_WORDS_LEN bytes. */
static inline __attribute__((always_inline)) uint32_t
route_tree_find_short(const struct route_tree *tree, uint32_t parent, const char *text, size_t len)
{
    struct route_key key = route_key_short(parent, text, len);
    uint32_t hash = route_hash(&key);
    for (uint32_t at = hash & tree->slot_mask;; at = (at + 1) & tree->slot_mask) {
        const struct route_slot *slot = &tree->slots[at];
        const struct route_node *node = &tree->nodes[slot->node];
        if (slot->hash == hash && node->place == key.place && node->word[0] == key.word[0] &&
            node->word[1] == key.word[1])
            return slot->node;
        if (slot->node == NODE_NONE)
            return NODE_NONE;
    }
}

/* The child of parent by text; NODE_NONE if there is none. parent has at least one text edge. */
static inline __attribute__((always_inline)) uint32_t route_tree_find(const struct route_tree *tree, uint32_t parent,
                                                                      const char *text, size_t len)
{
    if (unlikely(len > KEY_WORDS_LEN))
        return route_tree_find_long(tree, parent, text, len);
    return route_tree_find_short(tree, parent, text, len);
}

#endif
