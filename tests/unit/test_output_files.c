/*
 * Files in the output queue, bytes that are made when their turn comes, and queues of all kinds of segments, taken in
 * any way that a transport may take them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "output_segments.h"

#include <errno.h>
#include <sys/uio.h>
#include <time.h>

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
        f->transport.capabilities = TRANSPORT_EXACT | (sendfile ? TRANSPORT_SENDFILE : 0u);
        push_file(f, file_new(&files, "0123456789"), 5, 6);
        int result = fixture_send(f, false);
        while (result == OUTPUT_FILL && (result = (int)output_fill(&f->out, block, sizeof block)) > 0)
            result = fixture_send(f, false);
        assert_int_equal(result, OUTPUT_SHORT);
        assert_true(segment_is_unread(output_at(&f->out, 0)));
        fixture_expect(f, "56789");
        output_discard(&f->out, WEIR_EIO);
        for (int fails = 0; fails <= 2; fails++) {
            push_source(f, &source, fails == 2 ? &text_pieces : &text_reads, "0123456789", 3);
            source.end = 5;
            source.answer = fails == 1 ? WEIR_ENOMEM : 0;
            result = fixture_send(f, false);
            while (result == OUTPUT_FILL && (result = (int)output_fill(&f->out, block, sizeof block)) > 0)
                result = fixture_send(f, false);
            assert_int_equal(result, fails == 1 ? WEIR_ENOMEM : OUTPUT_SHORT);
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

/* A file is read where the transport cannot send it, a source also where it has no pieces; each has a place for
 * what was read, however full the queue. */
static void places(void **state)
{
    struct fixture *f = *state;
    struct text_source source;
    fixture_begin(f);
    push_source(f, &source, &text_pieces, "0123456789", 100);
    assert_false(output_needs_block(&f->out, &f->net, &f->conn));
    f->transport.capabilities = TRANSPORT_EXACT;
    assert_true(output_needs_block(&f->out, &f->net, &f->conn));
    assert_true(output_has_room(&f->out, 14));
    assert_false(output_has_room(&f->out, 15));
    for (int i = 0; i < 14; i++)
        push_text(&f->out, &"abcdefghijklmn"[i]);
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
    if (ops->piece)
        m->source.file = file_new(&m->files, "a source;");
    push_call(f, &m->late, 50);
}

/* The source is the test's own, as its file is. */
static void check_released(struct mixed *m, int error)
{
    assert_int_equal(m->source.released, 1);
    assert_int_equal(m->source.error, error);
    if (m->source.file)
        file_unref(m->source.file);
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
    check_released(m, 0);
}

/* Cut at each byte, or taken a few bytes at a time; sent by the transport, or read into blocks of any size. */
static void taken_in_any_way(void **state)
{
    struct fixture *f = *state;
    struct mixed m;
    const size_t blocks[] = {1, 3, 64};
    const size_t len = strlen(MIXED);
    files_open(&m.files);
    for (size_t way = 0; way < 8; way++) {
        size_t block = way < 6 ? blocks[way % 3] : 64;
        for (size_t cut = 0; cut <= 2 * len; cut++) {
            fixture_begin(f);
            f->transport.capabilities = TRANSPORT_EXACT | (way < 6 ? 0u : TRANSPORT_SENDFILE);
            push_mixed(f, &m, way % 2 ? &text_pieces : &text_reads);
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
        push_mixed(f, &m, &text_pieces);
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
        check_released(&m, WEIR_ECLOSED);
        assert_true(shared_drop(&m.held.shared));
        assert_false(is_open(m.fd));
    }
    files_close(&m.files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counted_files), cmocka_unit_test(ends_early),       cmocka_unit_test(cold_files),
        cmocka_unit_test(places),        cmocka_unit_test(taken_in_any_way), cmocka_unit_test(dropped_at_any_byte),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
