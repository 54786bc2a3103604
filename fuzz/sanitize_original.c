/* sanitize_original.c - copies of originals: what is taken out of a block is put back, and hostile lists write and read
   nowhere else. */
#include <string.h>

#include "sanitize.h"

#define MAX_SIZE 20000

/* Fill raw with pieces of the original, in places and out of place, and with noise between them. */
static void fill_changed(uint8_t *raw, size_t size, const uint8_t *original, size_t original_size)
{
    size_t from = 0;
    for (size_t at = 0; at < size;) {
        const size_t most = next_random() % 3 ? 3000 : 40; /* by itself: compilers may choose an order */
        size_t n = 1 + next_random() % most;
        n = n < size - at ? n : size - at;
        if (original_size && next_random() % 4) {
            from = next_random() % 3 ? from % original_size : next_random() % original_size;
            n = n < original_size - from ? n : original_size - from;
            memcpy(raw + at, original + from, n);
        } else {
            fill_random(raw + at, n);
        }
        at += n;
        from += n;
    }
}

/* What stands near, and what is made, of a list with bytes changed and other sizes, in memory of just that. */
static void use_damaged(const uint8_t *original, size_t size, const uint8_t *body, size_t list_size, size_t body_size,
                        size_t raw_size)
{
    for (int i = 0; i < 20; i++) {
        const size_t n = list_size - next_random() % 2, rest = body_size - list_size, capacity = next_random() % 5000;
        const size_t shorter = rest ? next_random() % 2 : 0, made_size = raw_size - next_random() % 2;
        uint8_t *list = malloc(n + !n), *left = malloc(rest + 1), *made = malloc(made_size + 1);
        uint8_t *near_bytes = malloc(capacity + 1);
        CHECK(list && left && made && near_bytes);
        memcpy(list, body, n);
        memcpy(left, body + list_size, rest);
        for (uint32_t k = next_random() % 3; k && n; k--) {
            const size_t at = next_random() % n;
            list[at] = (uint8_t)next_random();
        }
        size_t near_size = 0;
        int status = lmz_original_near(original, size, list, n, rest - shorter, near_bytes, capacity, &near_size);
        CHECK(near_size <= capacity && (status == LMZ_DONE || status == LMZ_E_DAMAGED));
        const int put_back = lmz_original_put_back(original, size, list, n, left, rest - shorter, made, made_size);
        CHECK(put_back == LMZ_E_DAMAGED || (put_back == LMZ_DONE && status == LMZ_DONE));
        free(list);
        free(left);
        free(made);
        free(near_bytes);
    }
}

int copies_of_originals(int n_blocks)
{
    begin_case(); /* what variants have drawn before, of which machines have different numbers, is not to matter */
    for (int i = 0; i < n_blocks; i++) {
        const size_t size = next_random() % 8 ? next_random() % MAX_SIZE : next_random() % 40;
        const size_t raw_size = 1 + next_random() % MAX_SIZE;
        uint8_t *bytes = malloc(size + !size), *raw = malloc(raw_size), *body = malloc(raw_size);
        uint8_t *again = malloc(raw_size), *near_bytes = malloc(1000);
        CHECK(bytes && raw && body && again && near_bytes);
        now = (test_case){.raw_size = raw_size, .kind = "original"};
        fill_text(bytes, size);
        fill_changed(raw, raw_size, bytes, size);
        lmz_original *original = lmz_original_new(bytes, size);
        CHECK(original);
        size_t list_size = 0, body_size = 0, near_size = 0;
        const size_t capacity = raw_size - next_random() % 2;
        const int status = lmz_original_take(original, raw, raw_size, body, capacity, &list_size, &body_size);
        CHECK(status == LMZ_DONE || status == LMZ_E_FULL);
        if (status == LMZ_DONE) {
            const size_t rest_size = body_size - list_size;
            CHECK(list_size <= body_size && body_size <= capacity);
            CHECK(lmz_original_put_back(bytes, size, body, list_size, body + list_size, rest_size, again, raw_size) ==
                  LMZ_DONE);
            CHECK(!memcmp(raw, again, raw_size));
            CHECK(lmz_original_near(bytes, size, body, list_size, rest_size, near_bytes, 1000, &near_size) == LMZ_DONE);
            add_to_digest(body, body_size);
            add_to_digest(near_bytes, near_size);
            use_damaged(bytes, size, body, list_size, body_size, raw_size);
        }
        lmz_original_free(original);
        free(bytes);
        free(raw);
        free(body);
        free(again);
        free(near_bytes);
    }
    size_t none = 0;
    uint8_t byte = 0;
    lmz_original *original = lmz_original_new(&byte, 1);
    CHECK(original && !lmz_original_new(&byte, (size_t)LMZ_MAX_RAW_SIZE + 1));
    CHECK(lmz_original_take(original, &byte, 1, &byte, 2, &none, &none) == LMZ_E_ARGUMENT);
    CHECK(lmz_original_near(&byte, (size_t)LMZ_MAX_RAW_SIZE + 1, &byte, 1, 0, &byte, 1, &none) == LMZ_E_ARGUMENT);
    lmz_original_free(original);
    lmz_original_free(NULL);
    return n_blocks;
}
