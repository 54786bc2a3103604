/* driver.c - for tests/native/test_seam.py: round trips with what was added to the kernel, in every variant of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lmz.h"

#define N 3000
#define CAPACITY (2 * N)
#define CONTENT_TOY 3

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

static uint8_t raw[N], back[N], payload[CAPACITY], other[CAPACITY];

static int run_all(lmz_coder *coder, int n_threads)
{
    int status;
    CHECK(coder);
    lmz_coder_set_threads(coder, n_threads);
    while ((status = lmz_coder_run(coder, 100)) == LMZ_MORE)
        ;
    lmz_coder_free(coder);
    return status;
}

static size_t encode(const lmz_block_spec *spec, const lmz_expert *expert, int simd, int n_threads, uint8_t *to)
{
    lmz_coder *coder = lmz_encoder_new(spec, expert, simd, raw, to, CAPACITY);
    int status;
    CHECK(coder);
    lmz_coder_set_threads(coder, n_threads);
    while ((status = lmz_coder_run(coder, 100)) == LMZ_MORE)
        ;
    const size_t size = lmz_coder_payload_size(coder);
    lmz_coder_free(coder);
    CHECK(status == LMZ_DONE);
    return size;
}

/* Every variant writes and reads the payload of the first; returns its size. */
static size_t round_trip(const lmz_block_spec *spec, const lmz_expert *expert)
{
    const size_t size = encode(spec, expert, 0, 1, payload);
    CHECK(lmz_memory_size(spec, expert));
    for (int simd = 0; lmz_simd_name(simd); simd++)
        for (int n_threads = 1; n_threads <= 2 && lmz_simd_available(simd); n_threads++) {
            CHECK(encode(spec, expert, simd, n_threads, other) == size && !memcmp(payload, other, size));
            memset(back, 0, N);
            CHECK(run_all(lmz_decoder_new(spec, expert, simd, payload, size, back), n_threads) == LMZ_DONE);
            CHECK(!memcmp(raw, back, N));
        }
    CHECK(run_all(lmz_decoder_new(spec, expert, 0, payload, size / 2, back), 1) == LMZ_E_DAMAGED);
    return size;
}

int main(void)
{
    static const int lanes[] = {1, 3, 16};
    uint32_t random = 1;
    for (int i = 0, left = 0; i < N; i++, left--) { /* any bytes, small ones more often, each several times */
        if (!left) {
            random = random * 1664525 + 1013904223;
            left = 3 + (int)(random >> 29);
        }
        raw[i] = (uint8_t)((random >> 24) & (random >> 16));
    }
    lmz_expert *expert = lmz_toy_new();
    CHECK(expert && lmz_expert_unit(expert) == LMZ_BYTES);
    for (int i = 0; i < 3; i++) {
        const lmz_block_spec toy = {N, 1, lanes[i], 0, {.kind = CONTENT_TOY}, 0, 0};
        const lmz_block_spec ngram = {N, 4, lanes[i], 0, {0}, 0, 0};
        CHECK(!lmz_memory_size(&toy, expert) && !lmz_encoder_new(&toy, expert, 0, raw, payload, CAPACITY));
        printf("%d lanes: toy base %zu, ngram %zu,", lanes[i], round_trip(&toy, NULL), round_trip(&ngram, NULL));
        printf(" ngram and toy expert %zu\n", round_trip(&ngram, expert));
    }
    CHECK(!lmz_memory_size(&(lmz_block_spec){N, 1, 1, 0, {.kind = CONTENT_TOY + 1}, 0, 0}, NULL));
    lmz_expert_free(expert);
    for (int simd = 0; lmz_simd_name(simd); simd++)
        printf("variant %s\n", lmz_simd_name(simd));
    return 0;
}
