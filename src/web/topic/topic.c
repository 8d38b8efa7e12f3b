/*
 * The table of topics: which there are, which may be made, and which go.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/topic/topic.h"
#include "base/clock.h"
#include "web/topic/members.h"
#include "web/topic/name.h"

#define MESSAGES_DEFAULT 1024
#define MESSAGES_MAX     (1 << 20)
#define BYTES_DEFAULT    ((size_t)1 << 20)
#define BYTES_MIN        ((size_t)1024)
#define MESSAGE_DEFAULT  ((size_t)64 << 10)
#define MEMBERS_DEFAULT  1000
#define MEMBERS_MAX      100000

/* ---- Making and ending the table ---- */

int topics_init(struct topics *t, struct memory *m, uint64_t bound, uint32_t max_topics)
{
    lock_init(&t->presence_lock);
    lock_init(&t->carrier_lock);
    lock_init(&t->table_lock);
    topic_memory_init(&t->memory, m, bound);
    topic_table_lock_acquire(&t->table_lock);
    list_init(&t->names);
    list_init(&t->patterns);
    list_init(&t->idle);
    topic_table_lock_release(&t->table_lock);
    t->max_topics = max_topics;
    weir_assert(topic_bounds_read(&t->defaults, NULL));
    /* Ids go on where those of the program's last run ended, as long as it has published less than one in each
     * microsecond: a client that comes back after a restart with the last id it has seen gets what is newer. */
    atomic_init(&t->next_id, clock_realtime_us());
    return siphash_seed(&t->seed) ? 0 : WEIR_ENOMEM;
}

static void topic_free(struct weir_topic *topic) REQUIRES(topic_table_lock);

void topics_done(struct topics *t)
{
    if (!t->memory.account.memory)
        return;
    topic_table_lock_acquire(&t->table_lock);
    while (!list_empty(&t->patterns))
        topic_free(container_of(t->patterns.next, struct weir_topic, link));
    while (!list_empty(&t->names))
        topic_free(container_of(t->names.next, struct weir_topic, link));
    while (t->rules) {
        struct topic_rule *rule = t->rules;
        t->rules = rule->next;
        topic_memory_give(&t->memory, rule);
    }
    topic_table_lock_release(&t->table_lock);
    topic_memory_done(&t->memory);
    lock_done(&t->table_lock);
    lock_done(&t->carrier_lock);
    lock_done(&t->presence_lock);
}

bool topic_bounds_read(struct topic_bounds *b, const weir_topic_bounds *bounds)
{
    static const weir_topic_bounds defaults;
    if (!bounds)
        bounds = &defaults;
    int most = bounds->max_messages ? bounds->max_messages : MESSAGES_DEFAULT;
    *b = (struct topic_bounds){
        .max_messages = (uint32_t)most,
        .history = (uint32_t)bounds->history,
        .max_bytes = bounds->max_bytes ? bounds->max_bytes : BYTES_DEFAULT,
        .max_message = (uint32_t)(bounds->max_message ? bounds->max_message : MESSAGE_DEFAULT),
        .overrun = bounds->overrun ? (enum weir_overrun)bounds->overrun : WEIR_OVERRUN_SKIP,
        .presence = bounds->presence == WEIR_ON,
        .max_members = (uint32_t)(bounds->max_members ? bounds->max_members : MEMBERS_DEFAULT),
    };
    return most > 0 && most <= MESSAGES_MAX && bounds->history >= 0 && bounds->history <= most &&
           b->max_bytes >= BYTES_MIN && bounds->max_message <= MESSAGE_DATA_MAX && bounds->overrun >= 0 &&
           bounds->overrun <= WEIR_OVERRUN_DISCONNECT && bounds->max_members >= 0 && bounds->max_members <= MEMBERS_MAX;
}

/* ---- Finding ---- */

static struct weir_topic **topic_bucket(struct topics *t, uint64_t hash) REQUIRES(topic_table_lock)
{
    return &t->buckets[hash % TOPIC_BUCKETS];
}

struct weir_topic *topics_find(struct topics *t, struct slice name)
{
    uint64_t hash = siphash(&t->seed, name);
    struct weir_topic *topic = *topic_bucket(t, hash);
    while (topic && (topic->hash != hash || !slice_equal(topic_name_of(topic), name)))
        topic = topic->next_in_bucket;
    return topic;
}

static const struct topic_rule *topic_rule_for(struct topics *t, struct slice name) REQUIRES(topic_table_lock)
{
    const struct topic_rule *rule = t->rules;
    while (rule && !topic_name_matches(slice_of(rule->pattern, rule->len), name))
        rule = rule->next;
    return rule;
}

int topics_allow(struct topics *t, struct slice pattern, const weir_topic_bounds *bounds)
{
    struct topic_bounds b;
    if (topic_name_kind(pattern) == TOPIC_NAME_WRONG || !topic_bounds_read(&b, bounds))
        return WEIR_EINVAL;
    struct topic_rule *rule = topic_memory_take(&t->memory, sizeof *rule + pattern.len);
    if (!rule)
        return WEIR_ENOMEM;
    *rule = (struct topic_rule){.bounds = b, .len = (uint8_t)pattern.len};
    memcpy(rule->pattern, pattern.data, pattern.len);
    topic_table_lock_acquire(&t->table_lock);
    struct topic_rule **at = &t->rules;
    while (*at && !slice_equal(slice_of((*at)->pattern, (*at)->len), pattern))
        at = &(*at)->next;
    int error = *at ? WEIR_EEXIST : 0;
    if (!error)
        *at = rule;
    topic_table_lock_release(&t->table_lock);
    if (error)
        topic_memory_give(&t->memory, rule);
    return error;
}

/* ---- What matches what ---- */

static bool topic_link(struct weir_topic *name, struct weir_topic *pattern) REQUIRES(topic_table_lock)
{
    struct topic_link *link = topic_memory_take(&name->topics->memory, sizeof *link);
    if (!link)
        return false;
    *link = (struct topic_link){.name = name, .pattern = pattern};
    list_push_back(&pattern->links, &link->in_pattern);
    topic_ring_lock_acquire(&name->lock);
    list_push_back(&name->links, &link->in_name);
    topic_ring_lock_release(&name->lock);
    return true;
}

static void topic_unlink(struct topic_link *link) REQUIRES(topic_table_lock)
{
    struct weir_topic *name = link->name;
    list_remove(&link->in_pattern);
    topic_ring_lock_acquire(&name->lock);
    list_remove(&link->in_name);
    topic_ring_lock_release(&name->lock);
    topic_memory_give(&name->topics->memory, link);
}

/* Links a new topic with all that match it. False: there is no memory for that, and it is to be freed. */
static bool topic_link_all(struct weir_topic *topic) REQUIRES(topic_table_lock)
{
    struct list *others = topic->is_pattern ? &topic->topics->names : &topic->topics->patterns;
    list_for_each (l, others) {
        struct weir_topic *other = container_of(l, struct weir_topic, link);
        struct weir_topic *name = topic->is_pattern ? other : topic, *pattern = topic->is_pattern ? topic : other;
        if (topic_name_matches(topic_name_of(pattern), topic_name_of(name)) && !topic_link(name, pattern))
            return false;
    }
    return true;
}

/* ---- Making and freeing a topic ---- */

/* Enters a topic of that name into the table. NULL: there is no memory. */
static struct weir_topic *topic_new(struct topics *t, struct slice name, const struct topic_bounds *bounds,
                                    bool is_pattern) REQUIRES(topic_table_lock)
{
    struct weir_topic *topic = topic_memory_take(&t->memory, sizeof *topic + name.len + 1);
    if (!topic)
        return NULL;
    memset(topic, 0, sizeof *topic);
    lock_init(&topic->lock);
    topic->topics = t;
    topic->bounds = *bounds;
    topic->hash = siphash(&t->seed, name);
    topic->is_pattern = is_pattern;
    topic->name_len = (uint8_t)name.len;
    memcpy(topic->name, name.data, name.len);
    topic->name[name.len] = '\0';
    list_init(&topic->idle);
    list_init(&topic->links);
    topic_ring_lock_acquire(&topic->lock);
    ring_init(&topic->ring, &t->memory, bounds->max_messages, bounds->max_bytes);
    list_init(&topic->readers);
    list_init(&topic->members);
    topic_ring_lock_release(&topic->lock);
    struct weir_topic **bucket = topic_bucket(t, topic->hash);
    topic->next_in_bucket = *bucket;
    *bucket = topic;
    list_push_back(is_pattern ? &t->patterns : &t->names, &topic->link);
    (*(is_pattern ? &t->pattern_count : &t->name_count))++;
    if (topic_link_all(topic))
        return topic;
    topic_free(topic);
    return NULL;
}

/* Takes a topic out of the table and frees it, with what is in its ring. Nobody subscribes to it. */
static void topic_free(struct weir_topic *topic)
{
    struct topics *t = topic->topics;
    struct weir_topic **at = topic_bucket(t, topic->hash);
    while (*at != topic)
        at = &(*at)->next_in_bucket;
    *at = topic->next_in_bucket;
    list_remove(&topic->link);
    list_remove(&topic->idle);
    (*(topic->is_pattern ? &t->pattern_count : &t->name_count))--;
    while (!list_empty(&topic->links)) {
        struct topic_link *link = topic->is_pattern ? container_of(topic->links.next, struct topic_link, in_pattern)
                                                    : container_of(topic->links.next, struct topic_link, in_name);
        struct weir_topic *name = link->name;
        topic_unlink(link);
        if (topic->is_pattern)
            topic_settle(name);
    }
    /* A publisher that found the topic by its name may still be here. */
    topic_ring_lock_acquire(&topic->lock);
    weir_assert(list_empty(&topic->readers));
    members_free(topic);
    ring_done(&topic->ring);
    topic_ring_lock_release(&topic->lock);
    lock_done(&topic->lock);
    topic_memory_give(&t->memory, topic);
}

void topic_trim(struct weir_topic *topic)
{
    if (topic->due == 0 && atomic_load_explicit(&topic->lagging, memory_order_relaxed) == 0)
        ring_trim(&topic->ring, topic->bounds.history);
}

uint64_t topic_resume(const struct weir_topic *topic)
{
    const struct ring *r = &topic->ring;
    return topic->bounds.overrun == WEIR_OVERRUN_CONFLATE && r->count > 0 ? r->next - 1 : ring_first(r);
}

void topic_settle(struct weir_topic *topic)
{
    topic_ring_lock_acquire(&topic->lock);
    bool used = !list_empty(&topic->readers) || topic->member_names > 0;
    if (!used)
        topic_trim(topic);
    bool wanted = topic->stays || used || (!topic->is_pattern && (topic->ring.count > 0 || !list_empty(&topic->links)));
    topic_ring_lock_release(&topic->lock);
    if (!wanted) {
        topic_free(topic);
        return;
    }
    list_remove(&topic->idle);
    if (!used && !topic->stays)
        list_push_back(&topic->topics->idle, &topic->idle);
}

/* Whether one more topic may be made: the one that was unused for longest makes room for it. */
static bool topics_have_room(struct topics *t) REQUIRES(topic_table_lock)
{
    if (t->name_count + t->pattern_count < t->max_topics)
        return true;
    if (list_empty(&t->idle))
        return false;
    topic_free(container_of(t->idle.next, struct weir_topic, idle));
    return true;
}

/* Makes a topic that is not there. */
static int topics_add(struct topics *t, struct slice name, const struct topic_bounds *bounds, bool is_pattern,
                      struct weir_topic **topic) REQUIRES(topic_table_lock)
{
    if (!topics_have_room(t))
        return WEIR_ETOOBIG;
    *topic = topic_new(t, name, bounds, is_pattern);
    return *topic ? 0 : WEIR_ENOMEM;
}

/* Whether name is where the presence of a topic is published that is there, or that may be made. */
static bool topic_is_presence(struct topics *t, struct slice name) REQUIRES(topic_table_lock)
{
    static const struct slice prefix = SLICE(TOPIC_PRESENCE);
    if (name.len <= prefix.len || memcmp(name.data, prefix.data, prefix.len) != 0)
        return false;
    struct slice of = slice_of(name.data + prefix.len, name.len - prefix.len);
    const struct weir_topic *there = topics_find(t, of);
    const struct topic_rule *rule = there ? NULL : topic_rule_for(t, of);
    return there ? there->bounds.presence : rule && rule->bounds.presence;
}

/* The bounds for a topic that is made at run time; NULL: it may not be made. */
static const struct topic_bounds *topic_bounds_for(struct topics *t, struct slice name, enum topic_name_kind kind)
    REQUIRES(topic_table_lock)
{
    const struct topic_rule *rule = topic_rule_for(t, name);
    if (rule)
        return &rule->bounds;
    return kind == TOPIC_PATTERN || topic_is_presence(t, name) ? &t->defaults : NULL;
}

int topics_get(struct topics *t, struct slice name, bool for_pattern, struct weir_topic **topic)
{
    enum topic_name_kind kind = topic_name_kind(name);
    if (kind == TOPIC_NAME_WRONG || (kind == TOPIC_PATTERN && !for_pattern))
        return WEIR_EINVAL;
    *topic = topics_find(t, name);
    if (*topic) {
        if (!list_empty(&(*topic)->idle)) { /* the one used last goes last */
            list_remove(&(*topic)->idle);
            list_push_back(&t->idle, &(*topic)->idle);
        }
        return 0;
    }
    const struct topic_bounds *bounds = topic_bounds_for(t, name, kind);
    if (!bounds)
        return WEIR_EACCES;
    int error = topics_add(t, name, bounds, kind == TOPIC_PATTERN, topic);
    if (!error && kind == TOPIC_NAME)
        list_push_back(&t->idle, &(*topic)->idle);
    return error;
}

struct weir_topic *topics_make(struct topics *t, struct slice name, const weir_topic_bounds *bounds)
{
    struct topic_bounds b;
    if (topic_name_kind(name) != TOPIC_NAME || !topic_bounds_read(&b, bounds))
        return NULL;
    topic_table_lock_acquire(&t->table_lock);
    struct weir_topic *topic = topics_find(t, name);
    if (topic || topics_add(t, name, &b, false, &topic) == 0) {
        topic->stays = true;
        list_remove(&topic->idle);
    }
    topic_table_lock_release(&t->table_lock);
    return topic;
}
