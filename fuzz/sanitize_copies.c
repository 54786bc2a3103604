/* sanitize_copies.c - copies: what is taken out of a block is put back, machine code too, and hostile bodies write
   nowhere else. */
#include <string.h>

#include "sanitize.h"

#define MAX_SIZE 60000

/* Fill bytes with what instructions begin with and end with. */
static void fill_code(uint8_t *bytes, size_t size)
{
    static const uint8_t likely[] = {0xE8, 0xE9, 0x0F, 0x84, 0x8D, 0x05, 0xFF,
                                     0x00, 0x83, 0xC7, 0x90, 0x94, 0xB0, 0x97};
    for (size_t i = 0; i < size; i++)
        bytes[i] = likely[next_random() % sizeof likely];
}

/* Fill raw with noise or code, and with what stood before it at any distance. */
static size_t fill_repeats(uint8_t *raw)
{
    const size_t size = 1 + next_random() % MAX_SIZE;
    for (size_t at = 0; at < size;) {
        const size_t wanted = 1 + next_random() % 30000, n = wanted < size - at ? wanted : size - at;
        if (at && next_random() % 2) {
            const size_t distance = 1 + next_random() % (next_random() % 3 ? at : at < 9 ? at : 9);
            for (size_t i = 0; i < n; i++)
                raw[at + i] = raw[at + i - distance];
        } else if (next_random() % 2) {
            fill_random(raw + at, n);
        } else {
            fill_code(raw + at, n);
        }
        at += n;
    }
    return size;
}

/* Take a body behind bytes that a finder was shown, by itself or as a block behind others, and put it back. */
static int take(const uint8_t *raw, size_t before, size_t size, int machine, uint8_t *body, size_t *body_size,
                size_t *reach)
{
    lmz_finder *finder = lmz_finder_new(before + size);
    CHECK(finder);
    const size_t window = before ? 1 + next_random() % before : 0;
    int status = LMZ_E_FULL;
    if (before) {
        status = lmz_copies_take(finder, raw, before, before, 0, before, 0, body, before - 1, body_size, reach);
        CHECK(status == LMZ_DONE || status == LMZ_E_FULL);
    }
    if (before && next_random() % 2) { /* the window moves */
        CHECK(lmz_finder_forget(finder, raw, before, before - window) == LMZ_DONE);
        raw += before - window;
        before = window;
    }
    const size_t least = size / 16;
    const size_t all = before + size;
    status = lmz_copies_take(finder, raw, all, size, window, least, machine, body, size - 1, body_size, reach);
    CHECK(*reach <= window);
    lmz_finder_free(finder);
    return status;
}

/* Put back a body with bytes of its list changed and its end cut, from and to memory of just the sizes. */
static void put_back_damaged(const uint8_t *body, size_t body_size, int machine, size_t raw_size, size_t before)
{
    for (int i = 0; i < 20; i++) {
        const size_t size = body_size - next_random() % 2, made_size = raw_size - next_random() % 2;
        uint8_t *damaged = malloc(size + !size), *made = calloc(before + made_size + 1, 1);
        CHECK(damaged && made);
        memcpy(damaged, body, size);
        for (uint32_t n = next_random() % 3; n && size; n--)
            damaged[next_random() % (size < 30 ? size : 30)] = (uint8_t)next_random();
        size_t n_made;
        const int status = lmz_copies_put_back(damaged, size, machine, made + before, made_size, before, &n_made);
        CHECK(n_made <= made_size && (status == LMZ_DONE ? n_made == made_size : status == LMZ_E_DAMAGED));
        free(damaged);
        free(made);
    }
}

/* The beginning of a body makes the beginning of the raw bytes. */
static void put_back_beginning(const uint8_t *body, size_t body_size, int machine, const uint8_t *raw, size_t raw_size,
                               size_t before)
{
    const size_t size = next_random() % body_size;
    uint8_t *beginning = malloc(size + !size), *made = malloc(before + raw_size);
    size_t n_made;
    CHECK(beginning && made);
    memcpy(beginning, body, size);
    memcpy(made, raw - before, before);
    CHECK(lmz_copies_put_back(beginning, size, machine, made + before, raw_size, before, &n_made) == LMZ_E_DAMAGED);
    CHECK(n_made < raw_size && !memcmp(raw, made + before, n_made));
    free(beginning);
    free(made);
}

/* Machine code that has no copies is converted, and the beginning of its body, too. */
static void convert(const uint8_t *raw, size_t size, int machine, uint8_t *again)
{
    uint8_t *body = malloc(size + 1);
    uint32_t repeats[6];
    size_t made;
    CHECK(body && lmz_addresses_count(raw, size, repeats) == LMZ_DONE);
    for (int k = 0; k < 6; k++)
        add_to_digest((const uint8_t[]){(uint8_t)repeats[k], (uint8_t)(repeats[k] >> 8)}, 2);
    body[0] = 0;
    memcpy(body + 1, raw, size);
    CHECK(lmz_addresses_write(body + 1, size, machine) == LMZ_DONE);
    add_to_digest(body, size + 1);
    CHECK(lmz_copies_put_back(body, size + 1, machine, again, size, 0, &made) == LMZ_DONE);
    CHECK(made == size && !memcmp(raw, again, size));
    put_back_damaged(body, size + 1, machine, size, 0);
    put_back_beginning(body, size + 1, machine, raw, size, 0);
    free(body);
}

int copies_of_blocks(int n_blocks)
{
    uint8_t *raw = malloc(MAX_SIZE), *body = malloc(MAX_SIZE), *again = malloc(MAX_SIZE);
    CHECK(raw && body && again);
    begin_case(); /* what variants have drawn before, of which machines have different numbers, is not to matter */
    for (int i = 0; i < n_blocks; i++) {
        const size_t size = fill_repeats(raw);
        now = (test_case){.raw_size = size, .kind = "repeats"};
        size_t body_size = 0, reach = 0;
        const size_t before = next_random() % 2 ? next_random() % size : 0, n = size - before;
        const int machine = (int)(next_random() % 4);
        const int status = take(raw, before, n, machine, body, &body_size, &reach);
        convert(raw, size, machine ? machine : LMZ_X86_64, again);
        CHECK(status == LMZ_DONE || status == LMZ_E_FULL);
        if (status == LMZ_E_FULL)
            continue;
        memcpy(again, raw, before);
        size_t made;
        CHECK(body_size < n);
        CHECK(lmz_copies_put_back(body, body_size, machine, again + before, n, reach, &made) == LMZ_DONE);
        CHECK(made == n && !memcmp(raw, again, size));
        put_back_damaged(body, body_size, machine, n, reach);
        put_back_beginning(body, body_size, machine, raw + before, n, reach);
    }
    lmz_finder *finder = lmz_finder_new(10);
    size_t none = 0;
    CHECK(finder && !lmz_finder_new((size_t)LMZ_MAX_SHOWN + 1));
    CHECK(lmz_copies_take(finder, raw, 9, 9, 0, 0, 0, body, 10, &none, &none) == LMZ_E_ARGUMENT);
    CHECK(lmz_copies_take(finder, raw, 9, 5, 5, 0, 0, body, 4, &none, &none) == LMZ_E_ARGUMENT);
    CHECK(lmz_addresses_write(raw, 9, 0) == LMZ_E_ARGUMENT && lmz_addresses_write(raw, 9, 4) == LMZ_E_ARGUMENT);
    lmz_finder_free(finder);
    free(raw);
    free(body);
    free(again);
    return n_blocks;
}
