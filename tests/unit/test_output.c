/*
 * The output queue over a transport that does what a script says: order, joins, writes that take any part of what they
 * are given, what is let go of and when, turns, files, and bytes that are made when their turn comes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "output_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <time.h>

/* ---- What segments can hold ---- */

struct told {
    int times, error;
    uint64_t bytes;
    size_t taken; /* that the transport had when it was told */
    struct fixture *fixture;
};

static void tell(void *arg, int error, uint64_t bytes)
{
    struct told *told = arg;
    told->times++;
    told->error = error;
    told->bytes = bytes;
    told->taken = told->fixture->taken_len;
}

static void push_call(struct fixture *f, struct told *told, uint64_t bytes)
{
    *told = (struct told){.fixture = f};
    output_push(&f->out,
                (struct segment){.kind = SEGMENT_CALL, .len = bytes & SEGMENT_LEN_MASK, .call = tell, .arg = told});
}

struct held {
    struct shared shared;
    int released;
};

static void held_release(struct shared *s)
{
    container_of(s, struct held, shared)->released++;
}

/* Adds bytes with a reference of the queue's own; the caller keeps one. */
static void push_shared(struct fixture *f, struct held *held, const char *text)
{
    shared_init(&held->shared, held_release);
    held->released = 0;
    shared_ref(&held->shared);
    output_push(&f->out, (struct segment){.kind = SEGMENT_SHARED,
                                          .len = strlen(text) & SEGMENT_LEN_MASK,
                                          .data = text,
                                          .shared = &held->shared});
}

/* A source of a text that is not copied; gives at most `step` bytes at a time, and an error or an early end at `end`. */
struct text_source {
    struct output_source source;
    const char *text;
    size_t at, step, end;
    int answer; /* at the end */
    int released, error;
};

static ssize_t text_next(struct text_source *s, size_t len)
{
    size_t most = len < s->step ? len : s->step;
    if (s->at == s->end)
        return s->answer;
    return (ssize_t)(s->end - s->at < most ? s->end - s->at : most);
}

static ssize_t text_read(struct output_source *source, char *to, size_t len)
{
    struct text_source *s = container_of(source, struct text_source, source);
    ssize_t n = text_next(s, len);
    if (n > 0) {
        memcpy(to, s->text + s->at, (size_t)n);
        s->at += (size_t)n;
    }
    return n;
}

static ssize_t text_send(struct output_source *source, struct output *o, struct net *n, struct connection *c,
                         size_t len)
{
    struct text_source *s = container_of(source, struct text_source, source);
    ssize_t most = text_next(s, len);
    if (most <= 0)
        return most;
    struct iovec part = {.iov_base = (void *)(uintptr_t)(s->text + s->at), .iov_len = (size_t)most};
    ssize_t sent = connection_transport(n, c)->write(c, &o->flow, &part, 1, true);
    s->at += sent > 0 ? (size_t)sent : 0;
    return sent;
}

static void text_release(struct output_source *source, int error)
{
    struct text_source *s = container_of(source, struct text_source, source);
    s->released++;
    s->error = error;
}

static const struct output_source_ops reads = {.read = text_read, .release = text_release};
static const struct output_source_ops sends = {.read = text_read, .send = text_send, .release = text_release};

static void push_source(struct fixture *f, struct text_source *s, const struct output_source_ops *ops, const char *text,
                        size_t step)
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

static void files_open(struct files *files)
{
    memory_init(&files->memory, 0);
    account_open(&files->account, &files->memory, "files");
    pool_init(&files->pool, &files->account, sizeof(struct file), 8, 4096);
}

static void files_close(struct files *files)
{
    assert_int_equal(counter_read(&files->account.objects), 0);
    pool_done(&files->pool);
    account_close(&files->account);
    memory_done(&files->memory);
}

static struct file *file_new(struct files *files, const char *text)
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

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Takes over a reference. */
static void push_file(struct fixture *f, struct file *file, int64_t offset, size_t len)
{
    output_push(&f->out,
                (struct segment){.kind = SEGMENT_FILE, .len = len & SEGMENT_LEN_MASK, .file = file, .offset = offset});
}

/* Sends to the end over as many calls as it takes, reading into a block of `block` bytes where it has to be read. Returns
 * how often it was blocked. */
static int send_all(struct fixture *f, size_t block)
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

/* ---- Memory ---- */

static void in_order(void **state)
{
    struct fixture *f = *state;
    char region[] = "region, joined";
    fixture_begin(f);
    assert_true(output_empty(&f->out));
    assert_int_equal(fixture_send(f, false), 0);
    assert_int_equal(f->writes, 0);
    output_push_region(&f->out, region, 7);
    push_text(&f->out, " static ");
    output_push_region(&f->out, region + 7, 7);
    assert_int_equal(f->out.count, 3);
    assert_int_equal(f->out.regions, 2);
    assert_false(output_empty(&f->out));
    assert_int_equal(fixture_send(f, false), 0);
    fixture_expect(f, "region, static  joined");
    assert_int_equal(f->writes, 1);
    assert_int_equal(f->part_count, 3);
    assert_false(f->more);
    assert_int_equal(f->out.regions, 0);
    assert_int_equal(f->out.sent, 22);
    assert_int_equal(counter_read(&f->net.bytes_out), 22);
    assert_true(output_empty(&f->out));
}

/* Bytes of the region are joined only where they follow the last ones. */
static void joins(void **state)
{
    struct fixture *f = *state;
    char region[] = "0123456789";
    fixture_begin(f);
    output_push_region(&f->out, region, 3);
    output_push_region(&f->out, region + 3, 2);
    assert_int_equal(f->out.count, 1);
    output_push_region(&f->out, region + 6, 2);
    assert_int_equal(f->out.count, 2);
    push_static(&f->out, region, 1);
    push_static(&f->out, region + 1, 1);
    assert_int_equal(f->out.count, 4);
    output_push_region(&f->out, region + 8, 2);
    assert_int_equal(f->out.count, 5);
    assert_int_equal(f->out.regions, 3);
    assert_int_equal(output_unsent(&f->out), 11);
    output_shift_region(&f->out, 1);
    region[10] = '!';
    assert_int_equal(fixture_send(f, false), 0);
    fixture_expect(f, "1234578019!");
}

/* Two small pieces go out by a way of their own, with the same result. */
static void short_and_partial(void **state)
{
    struct fixture *f = *state;
    struct held held;
    for (int cut = 0; cut <= 9; cut++) {
        fixture_begin(f);
        push_text(&f->out, "head ");
        push_shared(f, &held, "body");
        fixture_step(f, cut);
        fixture_step(f, TRANSPORT_WANT_WRITE);
        int blocked = send_all(f, 0);
        assert_int_equal(blocked, cut == 9 ? 0 : 2);
        assert_int_equal(f->part_count, cut < 5 ? 2 : cut < 9 ? 1 : 2);
        assert_int_equal(held.released, 0);
        assert_true(shared_drop(&held.shared)); /* the queue's reference is gone */
        assert_int_equal(counter_read(&f->net.bytes_out), 9);
        fixture_expect(f, "head body");
    }
}

/* A write is given a piece at most, is told that more follows unless it is the last, and a call behind the last bytes is
 * nothing that follows. */
static void pieces(void **state)
{
    struct fixture *f = *state;
    static char large[3 * PIECE];
    struct told told;
    memset(large, 'x', sizeof large);
    for (size_t len = PIECE - 1; len <= PIECE + 1; len++) {
        for (int more = 0; more <= 1; more++) {
            fixture_begin(f);
            push_static(&f->out, large, len);
            push_call(f, &told, 0);
            fixture_step(f, PIECE);
            fixture_step(f, TRANSPORT_WANT_WRITE);
            int result = fixture_send(f, more);
            assert_int_equal(result, len > PIECE ? TRANSPORT_WANT_WRITE : 0);
            assert_int_equal(told.times, len <= PIECE);
            assert_int_equal(f->more, more);
            assert_int_equal(f->given, len > PIECE ? 1 : len);
            assert_int_equal(f->writes, len > PIECE ? 2 : 1);
            assert_int_equal(fixture_send(f, false), 0);
            assert_int_equal(f->taken_len, len);
        }
    }
    fixture_begin(f);
    push_static(&f->out, large, PIECE + 1);
    fixture_step(f, PIECE);
    fixture_step(f, WEIR_ETIMEDOUT);
    assert_int_equal(fixture_send(f, false), WEIR_ETIMEDOUT);
    assert_true(f->more);
    assert_int_equal(f->given, PIECE);
    assert_int_equal(f->taken_len, PIECE);
    output_discard(&f->out, WEIR_ETIMEDOUT);
}

static void turns(void **state)
{
    struct fixture *f = *state;
    static char large[2 * OUTPUT_TURN_BYTES + 100];
    memset(large, 't', sizeof large);
    fixture_begin(f);
    push_static(&f->out, large, sizeof large);
    f->out.blocked = true;
    assert_int_equal(fixture_send(f, false), OUTPUT_TURN);
    assert_int_equal(f->taken_len, OUTPUT_TURN_BYTES);
    assert_false(f->out.blocked);
    assert_int_equal(fixture_send(f, false), OUTPUT_TURN);
    assert_int_equal(fixture_send(f, false), 0);
    assert_int_equal(f->taken_len, sizeof large);
    fixture_begin(f);
    push_static(&f->out, large, OUTPUT_TURN_BYTES);
    assert_int_equal(fixture_send(f, false), 0); /* nothing is left */
}

/* ---- What a transport can answer ---- */

static void refused(void **state)
{
    struct fixture *f = *state;
    fixture_begin(f);
    push_text(&f->out, "abc");
    fixture_step(f, TRANSPORT_WANT_READ);
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_READ);
    assert_true(f->out.blocked);
    fixture_step(f, 2);
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
    fixture_step(f, WEIR_ECLOSED);
    assert_int_equal(fixture_send(f, false), WEIR_ECLOSED);
    assert_int_equal(output_unsent(&f->out), 1);
    assert_int_equal(f->out.sent, 2);
    output_discard(&f->out, WEIR_ECLOSED);
    assert_true(output_empty(&f->out));
    fixture_expect(f, "ab");
    /* There is no memory to watch the socket. */
    fixture_begin(f);
    push_text(&f->out, "abc");
    f->conn.ready = READY_WATCHED;
    fixture_step(f, 1);
    assert_int_equal(fixture_send(f, false), WEIR_ECLOSED);
    assert_true(f->conn.ready & READY_GONE);
    assert_false(f->out.blocked);
    output_discard(&f->out, WEIR_ECLOSED);
}

/* Where the transport makes room, it is asked again at once. */
static void widened(void **state)
{
    struct fixture *f = *state;
    for (size_t len = 8; len <= 8000; len += 7992) {
        static char bytes[8000];
        fixture_begin(f);
        push_static(&f->out, bytes, len);
        f->widen_answers = 2;
        fixture_step(f, 3);
        fixture_step(f, TRANSPORT_WANT_WRITE);
        fixture_step(f, 1);
        assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
        assert_int_equal(f->widens, 3);
        assert_int_equal(f->writes, 3);
        assert_int_equal(f->taken_len, 4);
        output_discard(&f->out, 0);
    }
}

/* What is held for more leaves at the end, or when no more can come; the output is not empty before it has left. */
static void held_bytes(void **state)
{
    struct fixture *f = *state;
    fixture_begin(f);
    f->holds = true;
    push_text(&f->out, "abc");
    assert_int_equal(fixture_send(f, true), 0);
    assert_int_equal(f->flushes, 0);
    assert_true(f->out.flow.held);
    f->flush_answers = 2;
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
    assert_false(output_empty(&f->out));
    assert_true(f->out.blocked);
    f->widen_answers = 1; /* which is reason to try again */
    assert_int_equal(fixture_send(f, false), 0);
    assert_int_equal(f->flushes, 3);
    assert_true(output_empty(&f->out));
    assert_int_equal(fixture_send(f, false), 0);
    assert_int_equal(f->flushes, 3);
    assert_int_equal(f->writes, 1);
    fixture_expect(f, "abc");
    /* More was to come, and is refused. */
    push_text(&f->out, "def");
    assert_int_equal(fixture_send(f, true), 0);
    push_text(&f->out, "ghi");
    fixture_step(f, TRANSPORT_WANT_WRITE);
    assert_int_equal(fixture_send(f, true), TRANSPORT_WANT_WRITE);
    assert_int_equal(f->flushes, 4);
    assert_false(f->out.flow.held);
    assert_int_equal(fixture_send(f, false), 0);
    assert_int_equal(f->flushes, 4);
    fixture_expect(f, "defghi");
}

/* ---- The end of segments ---- */

static void calls(void **state)
{
    struct fixture *f = *state;
    struct told first, second, third;
    struct held held;
    struct text_source source;
    fixture_begin(f);
    push_text(&f->out, "0123456789");
    push_call(f, &first, 10);
    push_shared(f, &held, "0123456789");
    push_source(f, &source, &reads, "0123456789", 10);
    push_call(f, &second, 50);
    push_call(f, &third, 0);
    push_text(&f->out, "01234");
    assert_int_equal(output_unsent(&f->out), 5);
    fixture_step(f, 9);
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
    assert_int_equal(first.times, 0);
    fixture_step(f, 6);
    fixture_step(f, TRANSPORT_WANT_WRITE);
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
    assert_int_equal(first.times, 1);
    assert_int_equal(first.error, 0);
    assert_int_equal(first.bytes, 10);
    output_discard(&f->out, WEIR_ETIMEDOUT);
    assert_true(output_empty(&f->out));
    assert_int_equal(f->out.regions + f->out.unread, 0);
    assert_int_equal(first.times, 1);
    assert_int_equal(second.times, 1);
    assert_int_equal(second.error, WEIR_ETIMEDOUT);
    assert_int_equal(second.bytes, 50 - 15);
    assert_int_equal(third.times, 1);
    assert_int_equal(third.bytes, 0);
    assert_int_equal(source.released, 1);
    assert_int_equal(source.error, WEIR_ETIMEDOUT);
    shared_unref(&held.shared);
    assert_int_equal(held.released, 1);
    /* A call that reports less than what is unsent. */
    push_text(&f->out, "0123456789");
    push_call(f, &first, 4);
    output_discard(&f->out, WEIR_ECLOSED);
    assert_int_equal(first.bytes, 0);
}

static void call_that_adds(void *arg, int error, uint64_t bytes)
{
    (void)error;
    (void)bytes;
    push_text(arg, "more");
}

/* What a call adds goes out, too. */
static void calls_add(void **state)
{
    struct fixture *f = *state;
    fixture_begin(f);
    push_text(&f->out, "abc ");
    output_push(&f->out, (struct segment){.kind = SEGMENT_CALL, .call = call_that_adds, .arg = &f->out});
    assert_int_equal(fixture_send(f, false), 0);
    fixture_expect(f, "abc more");
}

/* ---- Files and sources ---- */

/* The descriptor is closed with the last reference, whoever has it. */
static void counted_files(void **state)
{
    struct fixture *f = *state;
    struct files files;
    files_open(&files);
    fixture_begin(f);
    struct file *file = file_new(&files, "0123456789");
    int fd = file->fd;
    push_file(f, file_ref(file), 2, 3);
    push_file(f, file_ref(file), 8, 2);
    push_file(f, file_ref(file), 0, 0);
    assert_int_equal(f->out.unread, 3);
    assert_int_equal(fixture_send(f, false), 0);
    fixture_expect(f, "23489");
    assert_int_equal(f->out.unread, 0);
    assert_int_equal(f->sends, 2);
    assert_int_equal(file->references, 1);
    assert_true(is_open(fd));
    push_file(f, file, 9, 1);
    assert_int_equal(fixture_send(f, false), 0);
    fixture_expect(f, "9");
    assert_false(is_open(fd));
    file = file_new(&files, "x");
    fd = file->fd;
    push_file(f, file, 0, 1);
    output_discard(&f->out, WEIR_ECLOSED);
    assert_false(is_open(fd));
    files_close(&files);
}

/* A file, or a source, that ends before it should. */
static void ends_early(void **state)
{
    struct fixture *f = *state;
    struct files files;
    struct text_source source;
    char block[16];
    files_open(&files);
    for (int sendfile = 0; sendfile <= 1; sendfile++) {
        fixture_begin(f);
        f->transport.capabilities = sendfile ? TRANSPORT_SENDFILE : 0;
        push_file(f, file_new(&files, "0123456789"), 5, 6);
        int result = fixture_send(f, false);
        while (result == OUTPUT_FILL && (result = (int)output_fill(&f->out, block, sizeof block)) > 0)
            result = fixture_send(f, false);
        assert_int_equal(result, OUTPUT_SHORT);
        assert_true(segment_is_unread(output_at(&f->out, 0)));
        fixture_expect(f, "56789");
        output_discard(&f->out, WEIR_EIO);
        for (int fails = 0; fails <= 1; fails++) {
            push_source(f, &source, &sends, "0123456789", 3);
            source.end = 5;
            source.answer = fails ? WEIR_ENOMEM : 0;
            result = fixture_send(f, false);
            while (result == OUTPUT_FILL && (result = (int)output_fill(&f->out, block, sizeof block)) > 0)
                result = fixture_send(f, false);
            assert_int_equal(result, fails ? WEIR_ENOMEM : OUTPUT_SHORT);
            fixture_expect(f, "01234");
            output_discard(&f->out, WEIR_EIO);
            assert_int_equal(source.released, 1);
            assert_int_equal(source.error, WEIR_EIO);
        }
    }
    files_close(&files);
}

/* Asks the kernel to forget a file; pages that are just being written cannot be forgotten. False: it keeps them. */
static bool forget(int fd)
{
    char byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    for (int i = 0; i < 20; i++) {
        assert_int_equal(fsync(fd), 0);
        assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        if (preadv2(fd, &part, 1, 0, RWF_NOWAIT) < 0)
            return errno == EAGAIN;
        assert_int_equal(nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL), 0);
    }
    return false;
}

/* A part of a file that is not in memory is told before it is sent, and fetched; or sent all the same, for one call. */
static void cold_files(void **state)
{
    struct fixture *f = *state;
    struct files files;
    char text[3 * 4096 + 1] = "";
    memset(text, 'c', sizeof text - 1);
    files_open(&files);
    fixture_begin(f);
    struct file *file = file_new(&files, text);
    if (!forget(file->fd)) {
        file_unref(file);
        files_close(&files);
        skip(); /* a file system that is memory, or has no reads that may not wait */
    }
    push_file(f, file_ref(file), 10, sizeof text - 11);
    f->out.blocked = true;
    assert_int_equal(fixture_send(f, false), OUTPUT_COLD);
    assert_int_equal(f->sends, 0);
    assert_true(f->out.blocked); /* as it was: the transport has not been asked */
    struct output_piece piece = output_cold_piece(&f->out);
    assert_ptr_equal(piece.file, file);
    assert_int_equal(file->references, 3);
    assert_int_equal(piece.offset, 10);
    assert_int_equal(piece.len, sizeof text - 11);
    assert_int_equal(output_piece_fetch(&piece), 0);
    struct file unreadable = {.fd = open("/dev/null", O_WRONLY)};
    assert_int_equal(output_piece_fetch(&(struct output_piece){.file = &unreadable, .len = 1}), WEIR_EIO);
    close(unreadable.fd);
    file_unref(piece.file);
    assert_int_equal(fixture_send(f, false), 0);
    fixture_expect(f, text + 10);
    assert_true(forget(file->fd));
    push_file(f, file_ref(file), 0, 10);
    f->out.warm = true;
    assert_int_equal(fixture_send(f, false), 0);
    assert_false(f->out.warm);
    assert_true(forget(file->fd));
    push_file(f, file, 0, 10);
    assert_int_equal(fixture_send(f, false), OUTPUT_COLD);
    output_discard(&f->out, WEIR_ECLOSED);
    files_close(&files);
}

/* A file is read where the transport cannot send it, a source also where it does not know how; each has a place for what
 * was read, however full the queue. */
static void places(void **state)
{
    struct fixture *f = *state;
    struct text_source source;
    fixture_begin(f);
    push_source(f, &source, &sends, "0123456789", 100);
    assert_false(output_needs_block(&f->out, &f->net, &f->conn));
    f->transport.capabilities = 0;
    assert_true(output_needs_block(&f->out, &f->net, &f->conn));
    assert_true(output_has_room(&f->out, 14));
    assert_false(output_has_room(&f->out, 15));
    for (int i = 0; i < 14; i++)
        push_text(&f->out, "abcdefghijklmn" + i);
    assert_false(output_has_room(&f->out, 1));
    char block[4];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fixture_send(f, false), OUTPUT_FILL);
        assert_int_equal(output_fill(&f->out, block, sizeof block), 4);
        assert_int_equal(f->out.count, OUTPUT_SEGMENTS);
        assert_int_equal(f->out.regions, 1);
        assert_int_equal(source.released, 0);
    }
    assert_int_equal(fixture_send(f, false), OUTPUT_FILL);
    assert_true(f->more); /* the rest is still to be read */
    assert_int_equal(output_fill(&f->out, block, sizeof block), 2);
    assert_int_equal(source.released, 1);
    assert_int_equal(source.error, 0);
    assert_int_equal(f->out.unread, 0);
    assert_int_equal(f->out.count, 15);
    assert_int_equal(fixture_send(f, false), 0);
    assert_int_equal(f->taken_len, 10 + 14 * 15 / 2);
    f->taken_len = 14;
    fixture_expect(f, "0123456789abcd");
}

/* ---- All of it, however it is taken ---- */

#define MIXED "region, joined;static;shared;file;static;a source;"

struct mixed {
    struct files files;
    struct held held;
    struct told early, late;
    struct text_source source;
    char region[16];
    int fd;
};

static void push_mixed(struct fixture *f, struct mixed *m, const struct output_source_ops *ops)
{
    memcpy(m->region, "region, joined;", 15);
    output_push_region(&f->out, m->region, 8);
    output_push_region(&f->out, m->region + 8, 7);
    push_text(&f->out, "static;");
    push_shared(f, &m->held, "shared;");
    push_call(f, &m->early, 29);
    struct file *file = file_new(&m->files, "a file;");
    m->fd = file->fd;
    push_file(f, file, 2, 5);
    push_text(&f->out, "static;");
    push_source(f, &m->source, ops, "a source;", 4);
    push_call(f, &m->late, 50);
}

static void check_mixed(struct fixture *f, struct mixed *m)
{
    assert_int_equal(counter_read(&f->net.bytes_out), strlen(MIXED));
    fixture_expect(f, MIXED);
    assert_true(output_empty(&f->out));
    assert_int_equal(f->out.regions + f->out.unread, 0);
    assert_int_equal(m->early.times, 1);
    assert_int_equal(m->early.error, 0);
    assert_int_equal(m->early.bytes, 29);
    assert_int_equal(m->early.taken, 29); /* neither before its bytes nor behind others */
    assert_int_equal(m->late.times, 1);
    assert_int_equal(m->late.bytes, 50);
    assert_int_equal(m->late.taken, 50);
    assert_true(shared_drop(&m->held.shared));
    assert_false(is_open(m->fd));
    assert_int_equal(m->source.released, 1);
    assert_int_equal(m->source.error, 0);
}

/* Cut at each byte, or taken a few bytes at a time; sent by the transport, or read into blocks of any size. */
static void taken_in_any_way(void **state)
{
    struct fixture *f = *state;
    struct mixed m;
    const size_t blocks[] = {1, 3, 64};
    const size_t len = strlen(MIXED);
    files_open(&m.files);
    for (size_t way = 0; way < 5; way++) {
        size_t block = way < 3 ? blocks[way] : 64;
        for (size_t cut = 0; cut <= 2 * len; cut++) {
            fixture_begin(f);
            f->transport.capabilities = way < 3 ? 0 : TRANSPORT_SENDFILE;
            push_mixed(f, &m, way == 4 ? &sends : &reads);
            if (cut <= len) { /* once */
                for (size_t i = 0; i < cut; i++)
                    fixture_step(f, (ssize_t)(i % 3 == 0 ? 1 : 2));
                fixture_step(f, TRANSPORT_WANT_WRITE);
            } else { /* again and again */
                for (size_t i = 0; i < len; i++)
                    fixture_step(f, i % 2 ? TRANSPORT_WANT_WRITE : (ssize_t)(cut - len));
            }
            send_all(f, block);
            check_mixed(f, &m);
        }
    }
    files_close(&m.files);
}

/* Dropped after any number of bytes, each call is told what of its body was sent. */
static void dropped_at_any_byte(void **state)
{
    struct fixture *f = *state;
    struct mixed m;
    files_open(&m.files);
    for (size_t cut = 0; cut < strlen(MIXED); cut++) {
        fixture_begin(f);
        push_mixed(f, &m, &sends);
        while (f->taken_len < cut) {
            f->step = f->step_count = 0;
            fixture_step(f, (ssize_t)(cut - f->taken_len));
            fixture_step(f, TRANSPORT_WANT_WRITE);
            assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
        }
        assert_int_equal(f->taken_len, cut);
        output_discard(&f->out, WEIR_ECLOSED);
        assert_true(output_empty(&f->out));
        assert_int_equal(m.early.times, 1);
        assert_int_equal(m.early.error, cut < 29 ? WEIR_ECLOSED : 0);
        assert_int_equal(m.early.bytes, cut < 29 ? cut : 29);
        assert_int_equal(m.late.error, WEIR_ECLOSED);
        assert_int_equal(m.late.bytes, cut < 29 ? 50 - 21 : 29 + cut - 29);
        assert_int_equal(m.source.released, 1);
        assert_int_equal(m.source.error, WEIR_ECLOSED);
        assert_true(shared_drop(&m.held.shared));
        assert_false(is_open(m.fd));
    }
    files_close(&m.files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(joins),
        cmocka_unit_test(pieces),
        cmocka_unit_test(short_and_partial),
        cmocka_unit_test(turns),
        cmocka_unit_test(refused),
        cmocka_unit_test(widened),
        cmocka_unit_test(held_bytes),
        cmocka_unit_test(calls),
        cmocka_unit_test(calls_add),
        cmocka_unit_test(counted_files),
        cmocka_unit_test(ends_early),
        cmocka_unit_test(cold_files),
        cmocka_unit_test(places),
        cmocka_unit_test(taken_in_any_way),
        cmocka_unit_test(dropped_at_any_byte),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
