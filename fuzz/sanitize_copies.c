/* sanitize_copies.c - copies: what is taken out of a block is put back, and hostile bodies write nowhere else. */
#include <string.h>

#include "sanitize.h"

#define MAX_SIZE 60000

/* Fill raw with noise, and with what stood before it at any distance. */
static size_t fill_repeats(uint8_t *raw)
{
    const size_t size = 1 + next_random() % MAX_SIZE;
    for (size_t at = 0; at < size;) {
        const size_t wanted = 1 + next_random() % 30000, n = wanted < size - at ? wanted : size - at;
        if (at && next_random() % 2) {
            const size_t distance = 1 + next_random() % (next_random() % 3 ? at : at < 9 ? at : 9);
            for (size_t i = 0; i < n; i++)
                raw[at + i] = raw[at + i - distance];
        } else {
            fill_random(raw + at, n);
        }
        at += n;
    }
    return size;
}

/* Put back a body with bytes of its list changed and its end cut, from and to memory of just the sizes. */
static void put_back_damaged(const uint8_t *body, size_t body_size, size_t raw_size)
{
    for (int i = 0; i < 20; i++) {
        const size_t size = body_size - next_random() % 2, made_size = raw_size - next_random() % 2;
        uint8_t *damaged = malloc(size + !size), *made = malloc(made_size + !made_size);
        CHECK(damaged && made);
        memcpy(damaged, body, size);
        for (uint32_t n = next_random() % 3; n && size; n--)
            damaged[next_random() % (size < 30 ? size : 30)] = (uint8_t)next_random();
        const int status = lmz_copies_put_back(damaged, size, made, made_size);
        CHECK(status == LMZ_DONE || status == LMZ_E_DAMAGED);
        free(damaged);
        free(made);
    }
}

int copies_of_blocks(int n_blocks)
{
    uint8_t *raw = malloc(MAX_SIZE), *body = malloc(MAX_SIZE), *again = malloc(MAX_SIZE);
    CHECK(raw && body && again);
    for (int i = 0; i < n_blocks; i++) {
        const size_t size = fill_repeats(raw);
        now = (test_case){.raw_size = size, .kind = "repeats"};
        size_t body_size = 0;
        const int status = lmz_copies_take(raw, size, body, size - 1, &body_size);
        CHECK(status == LMZ_DONE || status == LMZ_E_FULL);
        if (status == LMZ_E_FULL)
            continue;
        CHECK(body_size < size && lmz_copies_put_back(body, body_size, again, size) == LMZ_DONE);
        CHECK(!memcmp(raw, again, size));
        put_back_damaged(body, body_size, size);
    }
    CHECK(lmz_copies_take(raw, 9, body, 10, &(size_t){0}) == LMZ_E_ARGUMENT);
    free(raw);
    free(body);
    free(again);
    return n_blocks;
}
