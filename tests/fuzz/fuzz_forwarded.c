/*
 * What proxies tell in fields. What a client has sent, whatever it is, does not change what is read of that which a
 * proxy has appended behind it: not who the client is, nor where the walk ends. A second reader here cuts a list from
 * its begin, and finds the same members where every quoted string in it is whole.
 *
 * Input: a byte that chooses the form, then fields' values that end with a newline.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "web/client/forwarded.h"

#define FIELDS 8

static const char *const names[] = {"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"};

/* A head with fields that are lines of a text; of the form for the odd ones: a proxy's second list. */
struct made {
    char *text;
    struct http_field fields[FIELDS + 1];
    struct http_head head;
};

static void made_add(struct made *m, size_t *at, const char *name, struct slice value)
{
    struct http_field *f = &m->fields[m->head.field_count++];
    f->name = (uint16_t)*at;
    f->name_len = (uint16_t)strlen(name);
    memcpy(m->text + *at, name, f->name_len);
    *at += f->name_len;
    f->value = (uint16_t)*at;
    f->value_len = (uint16_t)value.len;
    if (value.len > 0)
        memcpy(m->text + *at, value.data, value.len);
    *at += value.len;
}

static void make(struct made *m, enum forwarded_form form, struct slice input, const char *last)
{
    size_t at = 0;
    *m = (struct made){.text = malloc(input.len + FIELDS * 32 + 256)};
    FUZZ_CHECK(m->text);
    m->head.base = m->text;
    m->head.fields = m->fields;
    for (size_t i = 0; i < FIELDS && input.len > 0; i++) {
        const char *end = memchr(input.data, '\n', input.len);
        size_t len = end ? (size_t)(end - input.data) : input.len;
        made_add(m, &at, form == FORWARDED_STANDARD ? names[0] : names[1 + i % 3], slice_of(input.data, len));
        size_t past = len + (end != NULL);
        input = slice_of(input.data + past, input.len - past);
    }
    if (last) /* in a line of its own */
        made_add(m, &at, names[form == FORWARDED_STANDARD ? 0 : 1], slice_from(last));
}

static void walk(enum forwarded_form form, struct slice input, const char *last, struct forwarded_hop *hop)
{
    static struct memory memory;
    static struct account account;
    static struct networks *trusted;
    struct slice wrong;
    struct endpoint nearest;
    struct made m;
    if (!trusted) {
        memory_init(&memory, 0);
        account_open(&account, &memory, "fuzz");
        trusted = networks_parse(&account, "127.0.0.0/8 10.0.0.0/8 ::1", &wrong);
    }
    FUZZ_CHECK(trusted && endpoint_parse(&nearest, SLICE("127.0.0.1")));
    make(&m, form, input, last);
    forwarded_walk(&m.head, form, trusted, &nearest, hop);
    free(m.text);
    FUZZ_CHECK(hop->known && hop->client.family != ENDPOINT_LOCAL);
    FUZZ_CHECK((hop->client.family == ENDPOINT_NONE) == (hop->name[0] != '\0'));
    FUZZ_CHECK(strlen(hop->name) <= FORWARDED_NAME_MAX && strlen(hop->host) <= FORWARDED_HOST_MAX);
    FUZZ_CHECK(hop->name[0] == '\0' || hop->name[0] == '_' || strcmp(hop->name, "unknown") == 0);
    for (const char *p = hop->host; *p; p++)
        FUZZ_CHECK(*p > ' ' && *p < 0x7f && !strchr("\"\\,;<>@/", *p));
}

/* An untrusted client that the nearest proxy names: nothing before that counts, in the same line or in another. */
static void check_poison(enum forwarded_form form, struct slice input)
{
    bool standard = form == FORWARDED_STANDARD;
    const char *word = standard ? "for=\"192.0.2.43:1\";x=\"a\\\",b\"" : "192.0.2.43:1";
    struct forwarded_hop hop;
    struct endpoint expected;
    FUZZ_CHECK(endpoint_parse(&expected, SLICE("192.0.2.43")));
    walk(form, input, word, &hop);
    FUZZ_CHECK(memcmp(hop.client.bytes, expected.bytes, sizeof expected.bytes) == 0);
    FUZZ_CHECK(!standard || (hop.scheme == FORWARDED_SCHEME_NONE && !hop.host[0]));
    char *joined = malloc(input.len + 64);
    FUZZ_CHECK(joined);
    int len = snprintf(joined, input.len + 64, "%.*s, %s", (int)input.len, input.data ? input.data : "", word);
    for (int i = 0; i < len; i++)
        if (joined[i] == '\n' || joined[i] == '\0')
            joined[i] = '\t';
    walk(form, slice_of(joined, (size_t)len), NULL, &hop);
    FUZZ_CHECK(memcmp(hop.client.bytes, expected.bytes, sizeof expected.bytes) == 0);
    free(joined);
}

/* Members from the end, back to back, are the list. */
static void check_members(enum forwarded_form form, struct slice list)
{
    struct slice rest = list, member;
    struct forwarded_hop hop;
    const char *end = list.data + list.len;
    while (forwarded_last(form, &rest, &member)) {
        FUZZ_CHECK(member.data >= list.data && member.data + member.len <= end);
        FUZZ_CHECK(!rest.data || (rest.data == list.data && rest.data[rest.len] == ','));
        end = rest.data ? rest.data + rest.len : list.data;
        if (member.len == 0)
            continue;
        bool good = form == FORWARDED_STANDARD ? forwarded_element(member, &hop) : forwarded_node(member, &hop);
        FUZZ_CHECK(!good || form == FORWARDED_STANDARD || !memchr(member.data, ',', member.len));
    }
    FUZZ_CHECK(end == list.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct forwarded_hop hop;
    if (size < 1 || size > 4000)
        return 0;
    enum forwarded_form form = data[0] & 1 ? FORWARDED_X : FORWARDED_STANDARD;
    char *exact = fuzz_copy(data + 1, size - 1, 0);
    struct slice input = slice_of(exact, size - 1);
    walk(form, input, NULL, &hop);
    check_poison(form, input);
    check_members(form, input);
    free(exact);
    return 0;
}
