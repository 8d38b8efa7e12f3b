/*
 * Expressions by PCRE2. Compiled to machine code where that is possible; where it is not (a hardened kernel, another
 * processor) PCRE2's interpreter does the same more slowly, under the same limits.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/route/regex.h"

#include "weir.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* A block starts with its size, because PCRE2 frees by address alone and an account wants the size. */
#define BLOCK_HEAD 16

#define JIT_STACK_START 8192u
#define JIT_STACK_MAX   65536u
#define HEAP_MAX_KIB    256u

struct regex {
    struct regex *next;
    pcre2_code *code; /* NULL: takes anything */
    size_t text_len;
    size_t min_len;  /* if code is NULL */
    size_t jit_size; /* bytes of machine code; 0: interpreted */
    char text[];
};

struct regex_context {
    struct account *account;
    pcre2_general_context *general;
    pcre2_match_context *match;
    pcre2_match_data *data;
    pcre2_jit_stack *stack; /* NULL if nothing was compiled to machine code */
    uint64_t refused;
};

static void *block_alloc(size_t size, void *account)
{
    if (size > SIZE_MAX - BLOCK_HEAD)
        return NULL;
    char *block = memory_alloc(account, size + BLOCK_HEAD);
    if (!block)
        return NULL;
    memcpy(block, &size, sizeof size);
    return block + BLOCK_HEAD;
}

static void block_free(void *p, void *account)
{
    if (!p)
        return;
    char *block = (char *)p - BLOCK_HEAD;
    size_t size;
    memcpy(&size, block, sizeof size);
    memory_free(account, block, size + BLOCK_HEAD);
}

/*
 * Sets min_len and returns true if text takes anything. ".*" and ".+" are what people write for the rest of a path.
 */
static bool takes_anything(struct slice text, size_t *min_len)
{
    if (text.len > 0 && text.data[0] == '^')
        text = slice_of(text.data + 1, text.len - 1);
    if (text.len > 0 && text.data[text.len - 1] == '$')
        text.len--;
    *min_len = slice_equal(text, SLICE(".+"));
    return *min_len || slice_equal(text, SLICE(".*"));
}

/* Asks for machine code; without it the interpreter is used. The code's memory counts against the bound, too. */
static int compile_to_machine_code(struct account *account, struct regex *regex)
{
    size_t size = 0;
    if (pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) != 0)
        return 0;
    if (pcre2_pattern_info(regex->code, PCRE2_INFO_JITSIZE, &size) != 0 || size == 0)
        return 0;
    if (!memory_grant(account, size))
        return WEIR_ENOMEM;
    regex->jit_size = size;
    return 0;
}

static int compile_code(struct account *account, struct regex *regex, char *message, size_t size, size_t *at)
{
    pcre2_general_context *general = pcre2_general_context_create(block_alloc, block_free, account);
    pcre2_compile_context *compile = general ? pcre2_compile_context_create(general) : NULL;
    int number = PCRE2_ERROR_NOMEMORY;
    if (compile) {
        const uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY |
                                 PCRE2_NEVER_UTF | PCRE2_NEVER_UCP;
        regex->code = pcre2_compile((PCRE2_SPTR)regex->text, regex->text_len, options, &number, at, compile);
    }
    pcre2_compile_context_free(compile);
    pcre2_general_context_free(general);
    if (regex->code)
        return compile_to_machine_code(account, regex);
    if (number == PCRE2_ERROR_NOMEMORY || number == PCRE2_ERROR_HEAP_FAILED)
        return WEIR_ENOMEM;
    if (pcre2_get_error_message(number, (PCRE2_UCHAR *)message, size) < 0 && size > 0)
        message[0] = '\0';
    return WEIR_EINVAL;
}

static void regex_free(struct account *account, struct regex *regex)
{
    if (regex->jit_size)
        memory_return(account, regex->jit_size);
    pcre2_code_free(regex->code);
    memory_free(account, regex, sizeof *regex + regex->text_len + 1);
}

int regex_compile(struct account *account, struct slice text, struct regex **list, struct regex **out, char *message,
                  size_t size, size_t *at)
{
    *at = 0;
    for (struct regex *known = *list; known; known = known->next) {
        if (slice_equal(slice_of(known->text, known->text_len), text)) {
            *out = known;
            return 0;
        }
    }
    struct regex *regex = memory_alloc(account, sizeof *regex + text.len + 1);
    if (!regex)
        return WEIR_ENOMEM;
    *regex = (struct regex){.next = *list, .text_len = text.len};
    memcpy(regex->text, text.data, text.len);
    regex->text[text.len] = '\0';
    if (!takes_anything(text, &regex->min_len)) {
        int error = compile_code(account, regex, message, size, at);
        if (error) {
            regex_free(account, regex);
            return error;
        }
    }
    *list = regex;
    *out = regex;
    return 0;
}

void regex_list_free(struct account *account, struct regex *list)
{
    while (list) {
        struct regex *next = list->next;
        regex_free(account, list);
        list = next;
    }
}

bool regex_takes_anything(const struct regex *regex)
{
    return !regex->code;
}

int regex_compare(const struct regex *a, const struct regex *b)
{
    if (a->text_len != b->text_len)
        return a->text_len > b->text_len ? -1 : 1;
    return memcmp(a->text, b->text, a->text_len);
}

static int run(const struct regex_context *context, const struct regex *regex, struct slice subject)
{
    PCRE2_SPTR text = (PCRE2_SPTR)(subject.len ? subject.data : "");
    if (regex->jit_size)
        return pcre2_jit_match(regex->code, text, subject.len, 0, 0, context->data, context->match);
    return pcre2_match(regex->code, text, subject.len, 0, PCRE2_NO_JIT, context->data, context->match);
}

static bool context_make_stack(struct regex_context *context)
{
    if (!memory_grant(context->account, JIT_STACK_MAX))
        return false;
    context->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, context->general);
    if (!context->stack) {
        memory_return(context->account, JIT_STACK_MAX);
        return false;
    }
    pcre2_jit_stack_assign(context->match, NULL, context->stack);
    return true;
}

/*
 * Makes everything that PCRE2 will need: the stack of machine code, without which 32 KiB of the handler's would be
 * taken, and the interpreter's frames, which PCRE2 makes at the first match.
 */
static bool context_fill(struct regex_context *context, const struct regex *list)
{
    context->general = pcre2_general_context_create(block_alloc, block_free, context->account);
    if (!context->general)
        return false;
    context->match = pcre2_match_context_create(context->general);
    context->data = pcre2_match_data_create(1, context->general);
    if (!context->match || !context->data)
        return false;
    pcre2_set_match_limit(context->match, REGEX_STEPS_MAX);
    pcre2_set_depth_limit(context->match, REGEX_STEPS_MAX);
    pcre2_set_heap_limit(context->match, HEAP_MAX_KIB);
    for (; list; list = list->next) {
        if (!list->code)
            continue;
        if (list->jit_size && !context->stack && !context_make_stack(context))
            return false;
        if (!list->jit_size && run(context, list, SLICE("")) == PCRE2_ERROR_NOMEMORY)
            return false;
    }
    return true;
}

struct regex_context *regex_context_new(struct account *account, const struct regex *list)
{
    struct regex_context *context = memory_alloc(account, sizeof *context);
    if (!context)
        return NULL;
    *context = (struct regex_context){.account = account};
    while (list && !list->code)
        list = list->next;
    if (list && !context_fill(context, list)) {
        regex_context_free(context);
        return NULL;
    }
    return context;
}

void regex_context_free(struct regex_context *context)
{
    if (!context)
        return;
    if (context->stack) {
        pcre2_jit_stack_free(context->stack);
        memory_return(context->account, JIT_STACK_MAX);
    }
    pcre2_match_data_free(context->data);
    pcre2_match_context_free(context->match);
    pcre2_general_context_free(context->general);
    memory_free(context->account, context, sizeof *context);
}

enum regex_outcome regex_match(struct regex_context *context, const struct regex *regex, struct slice subject)
{
    if (subject.len > REGEX_SUBJECT_MAX) {
        context->refused++;
        return REGEX_REFUSED;
    }
    if (!regex->code)
        return subject.len >= regex->min_len ? REGEX_YES : REGEX_NO;
    int outcome = run(context, regex, subject);
    if (outcome >= 0)
        return REGEX_YES;
    if (outcome == PCRE2_ERROR_NOMATCH)
        return REGEX_NO;
    context->refused++; /* a limit, or memory */
    return REGEX_REFUSED;
}

uint64_t regex_context_refused(const struct regex_context *context)
{
    return context->refused;
}
