/* sanitize_outside.c - blocks of tokens whose exponentials come from outside, under the sanitizers: round trips, damaged
   payloads, and vocabularies and exponentials that must be refused. */
#include <string.h>

#include "sanitize.h"
#include "tiny_transformer.h"

#define N_STRINGS TINY_N_STRINGS
#define MAX_EXPONENTIAL ((uint32_t)1 << 31)

/* What is predicted behind a token, in a buffer of exactly the size that the kernel reads: the same in both directions,
   as small and as large as may be. */
static uint32_t *predict(const uint32_t *last, const uint32_t *lanes, int n)
{
    uint32_t *e = (uint32_t *)allocate((size_t)n * N_STRINGS * sizeof *e);
    for (int i = 0; i < n; i++)
        for (uint32_t t = 0; t < N_STRINGS; t++) {
            const uint32_t hash = (last[lanes[i]] * 769 + t) * 2654435761u;
            e[(uint32_t)i * N_STRINGS + t] = hash >> 28 == 0 ? MAX_EXPONENTIAL : hash >> 28 == 1 ? 1 : 1 + (hash >> 2 >> (hash & 15));
        }
    return e;
}

/* Run to the end, token after token. */
static int run_all(lmz_coder *coder)
{
    uint32_t last[LMZ_MAX_LANES], lanes[LMZ_MAX_LANES], tokens[LMZ_MAX_LANES];
    for (int i = 0; i < now.n_lanes; i++)
        last[i] = N_STRINGS;
    for (;;) {
        const int n = lmz_coder_lanes(coder, lanes);
        CHECK(n > 0 && n <= now.n_lanes);
        uint32_t *e = predict(last, lanes, n);
        const int status = lmz_coder_run_tokens(coder, e, tokens);
        free(e);
        if (status != LMZ_MORE)
            return status;
        for (int i = 0; i < n; i++) {
            CHECK(tokens[i] < N_STRINGS);
            last[lanes[i]] = tokens[i];
        }
    }
}

static int decode(const lmz_transformer *t, int simd, const uint8_t *payload, size_t size, uint8_t *raw)
{
    uint8_t *exact = allocate(size);
    memcpy(exact, payload, size);
    lmz_coder *coder = lmz_decoder_new(LMZ_TOKEN_METHOD, now.n_lanes, simd, NULL, t, exact, size, raw, now.raw_size);
    CHECK(coder);
    const int status = run_all(coder);
    CHECK(status == LMZ_DONE || status == LMZ_E_DAMAGED);
    lmz_coder_free(coder);
    free(exact);
    n_checked++;
    return status;
}

/* Encode with every variant (same payload), into too small a capacity, decode, then damage. */
static void round_trip(const lmz_transformer *t, int n_damages)
{
    const size_t capacity = now.raw_size * 24 + 64;
    size_t size = 0;
    uint8_t *raw = allocate(now.raw_size), *back = allocate(now.raw_size), *sizes = allocate(now.raw_size);
    uint8_t *payload = allocate(capacity), *other = allocate(capacity);
    fill_text(raw, now.raw_size);
    const size_t n_tokens = cut_tokens(raw, sizes);
    FOR_EACH_VARIANT(simd)
        for (int is_tight = 0; is_tight < 2; is_tight++) {
            const int is_first = simd == LMZ_SIMD_PORTABLE && !is_tight;
            uint8_t *to = is_first ? payload : other;
            if (is_tight && !size)
                continue;
            lmz_coder *coder = lmz_encoder_new(LMZ_TOKEN_METHOD, now.n_lanes, simd, NULL, t, raw, now.raw_size, to,
                                               is_tight ? size - 1 : capacity);
            CHECK(coder && lmz_encoder_set_tokens(coder, sizes, n_tokens) == LMZ_DONE);
            CHECK(run_all(coder) == (is_tight ? LMZ_E_FULL : LMZ_DONE));
            if (is_first)
                size = lmz_coder_payload_size(coder);
            CHECK(is_tight || (lmz_coder_payload_size(coder) == size && !memcmp(payload, to, size)));
            lmz_coder_free(coder);
            n_checked++;
        }
    FOR_EACH_VARIANT(simd)
        CHECK(decode(t, simd, payload, size, back) == LMZ_DONE && !memcmp(raw, back, now.raw_size));
    for (int i = 0; i < n_damages && size; i++) {
        memcpy(other, payload, size);
        other[next_random() % size] ^= (uint8_t)(1 << next_random() % 8);
        const size_t cut = i % 2 ? next_random() % size : size;
        const int status = decode(t, LMZ_SIMD_PORTABLE, other, cut, raw);
        CHECK(decode(t, lmz_simd_best(), other, cut, back) == status);
        CHECK(status != LMZ_DONE || !memcmp(raw, back, now.raw_size));
    }
    free(raw);
    free(back);
    free(sizes);
    free(payload);
    free(other);
}

/* A vocabulary from outside in buffers of exactly its size; `change` spoils it, 1 to 5. */
static lmz_transformer *vocabulary_from_outside(int change)
{
    static tiny_token tokens[N_STRINGS]; /* 77 kB */
    size_t n_bytes = 0, at = 0;
    tiny_tokens_make(tokens);
    if (change == 1)
        tokens[7].size = 0;
    else if (change == 2)
        tokens[7] = tokens[8];
    else if (change == 3) /* the first byte is none of them then */
        tokens[0].size = 2;
    for (int k = 0; k < N_STRINGS; k++)
        n_bytes += tokens[k].size;
    uint8_t *bytes = allocate(n_bytes), sizes[N_STRINGS];
    for (int k = 0; k < N_STRINGS; k++) {
        memcpy(bytes + at, tokens[k].bytes, tokens[k].size);
        at += tokens[k].size;
        sizes[k] = tokens[k].size;
    }
    n_checked++;
    lmz_transformer *t = lmz_transformer_new_outside(bytes, n_bytes - (change == 4), sizes, N_STRINGS - (change == 5));
    free(bytes);
    return t;
}

static void refuse(const lmz_transformer *t)
{
    uint8_t raw[8], payload[400], sizes[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    uint32_t lanes[2], tokens[2], start[] = {N_STRINGS, N_STRINGS};
    now = (test_case){LMZ_TOKEN_METHOD, 2, sizeof raw, "exponentials beyond", 1};
    fill_text(raw, sizeof raw);
    for (int change = 1; change <= 5; change++)
        CHECK(!vocabulary_from_outside(change));
    CHECK(!lmz_transformer_new_outside(raw, 0, sizes, 0) && !lmz_transformer_new_outside(raw, 0, sizes, SIZE_MAX));
    lmz_coder *coder = lmz_encoder_new(LMZ_TOKEN_METHOD, 2, lmz_simd_best(), NULL, t, raw, sizeof raw, payload, sizeof payload);
    CHECK(coder && lmz_encoder_set_tokens(coder, sizes, sizeof sizes) == LMZ_DONE);
    CHECK(lmz_coder_run(coder, 1) == LMZ_E_DAMAGED); /* it cannot predict by itself */
    CHECK(lmz_coder_lanes(coder, lanes) == 2);
    for (int place = 0; place < 2 * N_STRINGS; place += 2 * N_STRINGS - 1)
        for (int k = 0; k < 3; k++) {
            uint32_t *e = predict(start, lanes, 2);
            e[place] = (uint32_t[]){0, MAX_EXPONENTIAL + 1, UINT32_MAX}[k];
            CHECK(lmz_coder_run_tokens(coder, e, tokens) == LMZ_E_DAMAGED);
            free(e);
            n_checked++;
        }
    lmz_coder_free(coder); /* abandoned */
}

int outside_blocks(int full)
{
    static const size_t sizes[] = {1, 3, 64, 300, 900};
    static const int lanes[] = {1, 2, 5, 64};
    const int n_sizes = full ? 5 : 4;
    int n_cases = 0;
    lmz_transformer *t = vocabulary_from_outside(0);
    CHECK(t);
    refuse(t);
    for (int s = 0; s < n_sizes; s++)
        for (int l = 0; l < 4; l++)
            for (int again = 0; again < (full ? 12 : 2); again++) { /* in other cuts */
                now = (test_case){LMZ_TOKEN_METHOD, lanes[l], sizes[s], "text, predicted from outside", 1};
                round_trip(t, full ? 8 : 2);
                n_cases++;
            }
    lmz_transformer_free(t);
    return n_cases;
}
