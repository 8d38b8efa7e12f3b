/*
 * TCP_NOTSENT_LOWAT by the size of a connection's packet buffers.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/socket_memory.h"

#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT 32768
#define LEAN    16384

/* What a packet buffer costs besides its bytes: 768 on the kernel that this was measured on. */
#define SEGMENT_COST 768

static void first_is_small(void **state)
{
    (void)state;
    assert_int_equal(socket_lowat_first(DEFAULT), 1024);
    assert_int_equal(socket_lowat_first(512), 512);
}

/* Whatever the window, the unsent bytes and the overhead of their buffers stay within one and a half times the
 * setting. */
static void bounds_what_is_held(void **state)
{
    (void)state;
    const int settings[] = {8192, LEAN, DEFAULT, 65536};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        int most = settings[i] * 3 / 2;
        for (int segment = 36; segment < 4096; segment++) {
            int lowat = socket_lowat_final(settings[i], segment);
            int buffers = lowat / segment + 1; /* another is begun while less than lowat is unsent */
            assert_in_range(lowat, socket_lowat_first(settings[i]), settings[i]);
            if (lowat > socket_lowat_first(settings[i]))
                assert_in_range(buffers * (segment + SEGMENT_COST), 1, most);
        }
    }
}

static void grows_with_the_segment(void **state)
{
    (void)state;
    for (int segment = 37; segment < 3000; segment++)
        assert_true(socket_lowat_final(DEFAULT, segment) >= socket_lowat_final(DEFAULT, segment - 1));
    assert_int_equal(socket_lowat_final(DEFAULT, 65483), 30720);
    assert_int_equal(socket_lowat_final(LEAN, 65483), 10240);
    assert_int_equal(socket_lowat_final(1024, 65483), 1024);
    assert_int_equal(socket_lowat_final(1 << 30, 65483), 1 << 30);
    assert_int_equal(socket_lowat_final(1 << 30, 100), (int)((int64_t)(1 << 30) * 3 / 2 * 100 / 1124 - 100));
}

/* Of a Unix socket the bytes are in the sender's account until they are read; a closed descriptor has none. */
static void tells_of_a_socket(void **state)
{
    (void)state;
    int pair[2];
    uint64_t output;
    char bytes[10000] = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(socket_memory_of(pair[0], &output), 0);
    assert_int_equal(send(pair[0], bytes, sizeof bytes, 0), sizeof bytes);
    assert_in_range(socket_memory_of(pair[0], &output), sizeof bytes, 4 * sizeof bytes);
    assert_in_range(output, sizeof bytes, 4 * sizeof bytes);
    assert_int_equal(recv(pair[1], bytes, sizeof bytes, MSG_WAITALL), sizeof bytes);
    assert_int_equal(socket_memory_of(pair[0], &output), 0);
    close(pair[0]);
    close(pair[1]);
    output = 1;
    assert_int_equal(socket_memory_of(pair[0], &output), 0);
    assert_int_equal(output, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_is_small),
        cmocka_unit_test(bounds_what_is_held),
        cmocka_unit_test(grows_with_the_segment),
        cmocka_unit_test(tells_of_a_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
