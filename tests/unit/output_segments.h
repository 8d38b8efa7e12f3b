/*
 * What segments can hold: calls that keep what they are told, shared bytes, sources of a text, and files from a pool.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_OUTPUT_SEGMENTS_H
#define WEIR_TESTS_OUTPUT_SEGMENTS_H

#include "output_fixture.h"

#include <fcntl.h>

struct told {
    int times, error;
    uint64_t bytes;
    size_t taken; /* that the transport had when it was told */
    struct fixture *fixture;
};

static inline void tell(void *arg, int error, uint64_t bytes)
{
    struct told *told = arg;
    told->times++;
    told->error = error;
    told->bytes = bytes;
    told->taken = told->fixture->taken_len;
}

static inline void push_call(struct fixture *f, struct told *told, uint64_t bytes)
{
    *told = (struct told){.fixture = f};
    output_push(&f->out,
                (struct segment){.kind = SEGMENT_CALL, .len = bytes & SEGMENT_LEN_MASK, .call = tell, .arg = told});
}

struct held {
    struct shared shared;
    int released;
};

static inline void held_release(struct shared *s)
{
    container_of(s, struct held, shared)->released++;
}

/* Adds bytes with a reference of the queue's own; the caller keeps one. */
static inline void push_shared(struct fixture *f, struct held *held, const char *text)
{
    shared_init(&held->shared, held_release);
    held->released = 0;
    shared_ref(&held->shared);
    output_push(&f->out, (struct segment){.kind = SEGMENT_SHARED,
                                          .len = strlen(text) & SEGMENT_LEN_MASK,
                                          .data = text,
                                          .shared = &held->shared});
}

/* A source of a text: gives at most `step` bytes at a time, and the answer at `end`. As pieces, every other one is of
 * the file, which holds the text, too. */
struct text_source {
    struct output_source source;
    const char *text;
    size_t at, step, end;
    struct file *file; /* the test's; NULL: there is none */
    int answer;        /* at the end */
    int released, error;
};

static inline ssize_t text_next(struct text_source *s, size_t len)
{
    size_t most = len < s->step ? len : s->step;
    if (s->at == s->end)
        return s->answer;
    return (ssize_t)(s->end - s->at < most ? s->end - s->at : most);
}

static inline ssize_t text_read(struct output_source *source, char *to, size_t len)
{
    struct text_source *s = container_of(source, struct text_source, source);
    ssize_t n = text_next(s, len);
    if (n > 0) {
        memcpy(to, s->text + s->at, (size_t)n);
        s->at += (size_t)n;
    }
    return n;
}

static inline bool text_piece(struct output_source *source, struct segment *piece)
{
    struct text_source *s = container_of(source, struct text_source, source);
    size_t len = s->step - s->at % s->step; /* the same piece again, however much of it was taken */
    if (s->at == s->end)
        return false;
    *piece = (struct segment){.kind = SEGMENT_STATIC, .data = s->text + s->at};
    if (s->file && s->at / s->step % 2)
        *piece = (struct segment){.kind = SEGMENT_FILE, .file = s->file, .offset = (int64_t)s->at};
    piece->len = (len < s->end - s->at ? len : s->end - s->at) & SEGMENT_LEN_MASK;
    return true;
}

static inline void text_took(struct output_source *source, size_t n)
{
    struct text_source *s = container_of(source, struct text_source, source);
    s->at += n;
    assert_in_range(s->at, 0, s->end);
}

static inline void text_release(struct output_source *source, int error)
{
    struct text_source *s = container_of(source, struct text_source, source);
    s->released++;
    s->error = error;
}

static const struct output_source_ops text_reads = {.read = text_read, .release = text_release};
static const struct output_source_ops text_pieces = {.piece = text_piece, .took = text_took, .release = text_release};

static inline void push_source(struct fixture *f, struct text_source *s, const struct output_source_ops *ops,
                               const char *text, size_t step)
{
    size_t len = strlen(text);
    *s = (struct text_source){.source.ops = ops, .text = text, .step = step, .end = len};
    output_push(&f->out, (struct segment){.kind = SEGMENT_SOURCE, .len = len & SEGMENT_LEN_MASK, .source = &s->source});
}

/* Files come from a pool, to which they go back. */
struct files {
    struct memory memory;
    struct account account;
    struct pool pool;
};

static inline void files_open(struct files *files)
{
    memory_init(&files->memory, 0);
    account_open(&files->account, &files->memory, "files");
    pool_init(&files->pool, &files->account, sizeof(struct file), 8, 4096);
}

static inline void files_close(struct files *files)
{
    assert_int_equal(counter_read(&files->account.objects), 0);
    pool_done(&files->pool);
    account_close(&files->account);
    memory_done(&files->memory);
}

static inline struct file *file_new(struct files *files, const char *text)
{
    char path[] = "/tmp/weir-output-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    struct file *file = pool_take(&files->pool);
    assert_non_null(file);
    file_init(file, &files->pool, fd);
    return file;
}

static inline bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Takes over a reference. */
static inline void push_file(struct fixture *f, struct file *file, int64_t offset, size_t len)
{
    output_push(&f->out,
                (struct segment){.kind = SEGMENT_FILE, .len = len & SEGMENT_LEN_MASK, .file = file, .offset = offset});
}

/* Sends to the end over as many calls as it takes, reading into a block of so many bytes where it has to be read.
 * Returns how often it was blocked. */
static inline int send_all(struct fixture *f, size_t block)
{
    char bytes[64];
    int blocked = 0;
    for (;;) {
        int result = fixture_send(f, false);
        if (result == 0) {
            assert_false(f->out.blocked);
            return blocked;
        }
        if (result == OUTPUT_FILL) {
            assert_true(output_needs_block(&f->out, &f->net, &f->conn));
            assert_in_range(output_fill(&f->out, bytes, block), 1, block);
        } else {
            assert_int_equal(result, TRANSPORT_WANT_WRITE);
            assert_true(f->out.blocked);
            blocked++;
        }
    }
}

#endif
