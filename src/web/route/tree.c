/*
 * Building the router's tree. Texts and routes are small and live as long as the tree, so they come from blocks that
 * are freed all at once; what is left unused by a registration that failed is freed with them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/route/tree.h"

#define BLOCK_FIRST 1024u
#define BLOCK_MAX   16384u
#define NODES_FIRST 16u
#define SLOTS_FIRST 16u

struct route_block {
    struct route_block *next;
    size_t size; /* of the whole block */
    size_t used;
    char memory[];
};

bool route_tree_init(struct route_tree *tree, struct account *account)
{
    *tree = (struct route_tree){.account = account};
    tree->nodes = memory_alloc(account, NODES_FIRST * sizeof *tree->nodes);
    if (!tree->nodes)
        return false;
    tree->node_room = NODES_FIRST;
    tree->node_count = 2;
    memset(tree->nodes, 0, tree->node_count * sizeof *tree->nodes);
    return true;
}

void route_tree_done(struct route_tree *tree)
{
    memory_free(tree->account, tree->nodes, tree->node_room * sizeof *tree->nodes);
    if (tree->slots)
        memory_free(tree->account, tree->slots, ((size_t)tree->slot_mask + 1) * sizeof *tree->slots);
    while (tree->blocks) {
        struct route_block *next = tree->blocks->next;
        memory_free(tree->account, tree->blocks, tree->blocks->size);
        tree->blocks = next;
    }
}

void *route_tree_store(struct route_tree *tree, size_t size)
{
    struct route_block *block = tree->blocks;
    size = (size + 7) & ~(size_t)7;
    if (!block || block->size - sizeof *block - block->used < size) {
        size_t block_size = block ? block->size * 2 : BLOCK_FIRST;
        if (block_size > BLOCK_MAX)
            block_size = BLOCK_MAX;
        if (block_size < sizeof *block + size)
            block_size = sizeof *block + size;
        block = memory_alloc(tree->account, block_size);
        if (!block)
            return NULL;
        *block = (struct route_block){.next = tree->blocks, .size = block_size};
        tree->blocks = block;
    }
    void *memory = block->memory + block->used;
    block->used += size;
    return memory;
}

/* Makes a node that nothing leads to yet. */
static uint32_t node_new(struct route_tree *tree)
{
    if (tree->node_count == tree->node_room) {
        uint32_t room = tree->node_room * 2;
        weir_assert(room > tree->node_room); /* 2^31 nodes are more than memory holds */
        struct route_node *nodes = memory_alloc(tree->account, room * sizeof *nodes);
        if (!nodes)
            return NODE_NONE;
        memcpy(nodes, tree->nodes, tree->node_count * sizeof *nodes);
        memory_free(tree->account, tree->nodes, tree->node_room * sizeof *nodes);
        tree->nodes = nodes;
        tree->node_room = room;
    }
    tree->nodes[tree->node_count] = (struct route_node){0};
    return tree->node_count++;
}

static void slot_fill(struct route_slot *slots, uint32_t mask, uint32_t hash, uint32_t node)
{
    uint32_t at = hash & mask;
    while (slots[at].node != NODE_NONE)
        at = (at + 1) & mask;
    slots[at] = (struct route_slot){.hash = hash, .node = node};
}

/* Makes room for one more slot. */
static bool slots_grow(struct route_tree *tree)
{
    uint32_t room = tree->slots ? tree->slot_mask + 1 : 0;
    if ((tree->slots_taken + 1) * (uint64_t)2 <= room)
        return true;
    uint32_t new_room = room ? room * 2 : SLOTS_FIRST;
    weir_assert(new_room > room); /* as for nodes */
    struct route_slot *slots = memory_alloc(tree->account, new_room * sizeof *slots);
    if (!slots)
        return false;
    memset(slots, 0, new_room * sizeof *slots);
    for (uint32_t i = 0; i < room; i++)
        if (tree->slots[i].node != NODE_NONE)
            slot_fill(slots, new_room - 1, tree->slots[i].hash, tree->slots[i].node);
    memory_free(tree->account, tree->slots, room * sizeof *slots);
    tree->slots = slots;
    tree->slot_mask = new_room - 1;
    return true;
}

struct route_key route_key_long(uint32_t parent, const char *p, size_t len)
{
    struct route_key key = {.place = (uint64_t)parent << 32 | (uint32_t)len};
    for (; len > 8; len -= 8, p += 8)
        key.word[0] = hash_mix(load_8(p) ^ HASH_KEY_1, key.word[0] ^ HASH_KEY_2);
    key.word[1] = load_8(p + len - 8); /* overlaps what was read before */
    return key;
}

uint32_t route_tree_find_long(const struct route_tree *tree, uint32_t parent, const char *text, size_t len)
{
    struct route_key key = route_key_long(parent, text, len);
    uint32_t hash = route_hash(&key);
    for (uint32_t at = hash & tree->slot_mask;; at = (at + 1) & tree->slot_mask) {
        struct route_slot slot = tree->slots[at];
        const struct route_node *node = &tree->nodes[slot.node];
        if (slot.node == NODE_NONE)
            return NODE_NONE;
        if (slot.hash == hash && node->place == key.place && memcmp(node->text, text, len) == 0)
            return slot.node;
    }
}

uint32_t route_tree_text(struct route_tree *tree, uint32_t parent, struct slice text)
{
    if (tree->nodes[parent].texts > 0) {
        uint32_t known = route_tree_find(tree, parent, text.data, text.len);
        if (known != NODE_NONE)
            return known;
    }
    bool is_long = text.len > KEY_WORDS_LEN;
    struct route_key key =
        is_long ? route_key_long(parent, text.data, text.len) : route_key_short(parent, text.data, text.len);
    char *copy = is_long ? route_tree_store(tree, text.len) : NULL;
    if ((is_long && !copy) || !slots_grow(tree))
        return NODE_NONE;
    uint32_t node = node_new(tree);
    if (node == NODE_NONE)
        return NODE_NONE;
    if (copy) {
        memcpy(copy, text.data, text.len);
        tree->nodes[node].text = copy;
    } else {
        memcpy(tree->nodes[node].word, key.word, sizeof key.word);
    }
    tree->nodes[node].place = key.place;
    tree->nodes[parent].texts++;
    slot_fill(tree->slots, tree->slot_mask, route_hash(&key), node);
    tree->slots_taken++;
    return node;
}

uint32_t route_tree_parameter(struct route_tree *tree, uint32_t parent)
{
    if (tree->nodes[parent].parameter == NODE_NONE) {
        uint32_t node = node_new(tree);
        tree->nodes[parent].parameter = node;
    }
    return tree->nodes[parent].parameter;
}

/* Whether a goes before b in a list: what constrains its value before what takes anything. */
static bool goes_before(const struct regex *a, const struct regex *b)
{
    bool anything = regex_takes_anything(a);
    if (anything != regex_takes_anything(b))
        return !anything;
    return regex_compare(a, b) < 0;
}

/* The node of the list from first that has regex, or before which it belongs. *before is the node ahead, if any. */
static uint32_t list_seek(const struct route_tree *tree, uint32_t first, const struct regex *regex, uint32_t *before)
{
    *before = NODE_NONE;
    uint32_t at = first;
    while (at != NODE_NONE && goes_before(tree->nodes[at].regex, regex)) {
        *before = at;
        at = tree->nodes[at].next;
    }
    return at;
}

static uint32_t list_child(struct route_tree *tree, uint32_t parent, const struct regex *regex, bool rest)
{
    uint32_t before;
    const struct route_node *place = &tree->nodes[parent];
    uint32_t at = list_seek(tree, rest ? place->rests : place->expressions, regex, &before);
    if (at != NODE_NONE && tree->nodes[at].regex == regex)
        return at;
    uint32_t node = node_new(tree);
    if (node == NODE_NONE)
        return NODE_NONE;
    tree->nodes[node].regex = regex;
    tree->nodes[node].next = at;
    if (before != NODE_NONE)
        tree->nodes[before].next = node;
    else if (rest)
        tree->nodes[parent].rests = node;
    else
        tree->nodes[parent].expressions = node;
    return node;
}

uint32_t route_tree_expression(struct route_tree *tree, uint32_t parent, const struct regex *regex)
{
    return list_child(tree, parent, regex, false);
}

uint32_t route_tree_rest(struct route_tree *tree, uint32_t parent, const struct regex *regex)
{
    return list_child(tree, parent, regex, true);
}
