/* decode_fuzzer.c - libFuzzer target: hostile payloads into the kernel's decoder (make fuzz).

   Input: 3 (profile - 1) + unit, lanes - 1, raw size - 1 (low byte), flags, then the payload.  Flags: bit 0 the high
   bit of the raw size, bits 1-2 the variant (the first, the second, the best, all), bit 3 a second thread, bit 4 an
   expert of the largest weights, bits 5-6 how often its window is halved.  Without an expert, bits 4-5 are a kind of
   content, and the lanes are what tiny_content.h takes.  The blocks are short, since coverage comes from many of them.
   With all variants, beyond "no crash", the kernel is held to its promises that every one decodes
   any payload to the same bytes, with one thread or two, and that what was decoded can be encoded and decoded again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lmz.h"
#include "tiny_content.h"
#include "tiny_net.h"
#include "tiny_transformer.h"

#define HEAD_SIZE 4

#define MAX_VARIANTS 16

static lmz_expert *all_experts[LMZ_N_UNITS][2][MAX_VARIANTS]; /* by unit, kind of weights and variant */

typedef struct {
    lmz_block_spec spec;
    int unit, n_threads, kind;
} block_kind;

static void require(int condition, const char *promise)
{
    if (!condition) {
        fprintf(stderr, "broken promise: %s\n", promise);
        abort();
    }
}

static int run(lmz_coder *coder, int n_threads)
{
    require(coder != NULL, "sound arguments give a coder");
    lmz_coder_set_threads(coder, n_threads);
    int status;
    while ((status = lmz_coder_run(coder, 500)) == LMZ_MORE)
        ;
    return status;
}

static void make_experts(void)
{
    static tiny_net weights[2]; /* what the nets point to */
    tiny_token *tokens = tiny_allocate(TINY_N_STRINGS * sizeof *tokens);
    tiny_tokens_make(tokens);
    for (int kind = TINY_PLAUSIBLE; kind <= TINY_EXTREME; kind++) {
        weights[kind] = tiny_net_make(tiny_shape, kind, 3);
        for (int i = 0; lmz_simd_name(i); i++) {
            if (!lmz_simd_available(i))
                continue;
            all_experts[LMZ_BYTES][kind][i] = lmz_bytelm_new(&tiny_shape, &weights[kind].weights, i);
            all_experts[LMZ_TOKENS][kind][i] = tiny_transformer_make(tiny_shape_of(kind), tokens, kind, i);
            require(all_experts[LMZ_BYTES][kind][i] && all_experts[LMZ_TOKENS][kind][i], "sound weights");
        }
    }
    free(tokens);
}

static const lmz_expert *expert_for(const block_kind *b, int simd)
{
    if (!all_experts[LMZ_BYTES][0][0])
        make_experts();
    return all_experts[b->unit][b->kind][simd];
}

static int best_for(const block_kind *b) { return lmz_simd_best(b->unit != LMZ_ALONE); }

static int decode(const block_kind *b, int simd, const uint8_t *payload, size_t payload_size, uint8_t *raw)
{
    lmz_coder *coder = lmz_decoder_new(&b->spec, expert_for(b, simd), simd, payload, payload_size, raw);
    int status = run(coder, b->n_threads);
    lmz_coder_free(coder);
    require(status == LMZ_DONE || status == LMZ_E_DAMAGED, "a decoder ends with DONE or DAMAGED");
    return status;
}

static void encode_again(const block_kind *b, const uint8_t *raw)
{
    const int best = best_for(b);
    const size_t raw_size = b->spec.raw_size;
    size_t capacity = raw_size + raw_size / 4 + 64;
    uint8_t *payload = malloc(capacity), *copy = malloc(raw_size);
    require(payload && copy, "memory");
    lmz_coder *coder = lmz_encoder_new(&b->spec, expert_for(b, best), best, raw, payload, capacity);
    if (b->unit == LMZ_TOKENS) { /* every byte is a token */
        memset(copy, 1, raw_size);
        require(lmz_coder_set_tokens(coder, copy, raw_size) == LMZ_DONE, "single bytes are a cut");
    }
    int status = run(coder, b->n_threads);
    size_t payload_size = lmz_coder_payload_size(coder);
    lmz_coder_free(coder);
    require(status == LMZ_DONE, "any bytes can be encoded");
    require(decode(b, best, payload, payload_size, copy) == LMZ_DONE, "own payload decodes");
    require(!memcmp(raw, copy, raw_size), "the round trip is exact");
    free(payload);
    free(copy);
}

static void compare_variants(block_kind b, const uint8_t *payload, size_t payload_size)
{
    const size_t raw_size = b.spec.raw_size;
    uint8_t *raw = calloc(1, raw_size), *other = calloc(1, raw_size);
    require(raw && other, "memory");
    int status = decode(&b, 0, payload, payload_size, raw);
    for (int simd = 1; lmz_simd_name(simd); simd++) {
        if (!lmz_simd_available(simd))
            continue;
        memset(other, 0, raw_size);
        b.n_threads = 3 - b.n_threads;
        require(decode(&b, simd, payload, payload_size, other) == status, "one outcome");
        require(status != LMZ_DONE || !memcmp(raw, other, raw_size), "variants agree on every byte");
    }
    encode_again(&b, raw);
    free(raw);
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD_SIZE)
        return 0;
    const int pair = data[0] % (lmz_n_profiles() * LMZ_N_UNITS), variant = data[3] >> 1 & 3;
    block_kind b = {.unit = pair % LMZ_N_UNITS, .n_threads = 1 + (data[3] >> 3 & 1), .kind = data[3] >> 4 & 1};
    size_t raw_size = 1 + (size_t)(data[2] | (data[3] & 1) << 8), payload_size = size - HEAD_SIZE;
    if (b.unit != LMZ_ALONE) /* a sanitized net runs at some kB/s, and a transformer at less */
        raw_size = 1 + (raw_size - 1) % (b.unit == LMZ_BYTES ? 128 : 32);
    b.spec = (lmz_block_spec){raw_size, 1 + pair / LMZ_N_UNITS, 1 + data[1] % lmz_max_lanes(b.unit), 0, {0}};
    if (b.unit == LMZ_TOKENS)
        b.spec.context = data[3] >> 5 & 3;
    if (!lmz_profile_takes(b.spec.profile, b.unit))
        return 0;
    if (b.unit == LMZ_ALONE && data[3] >> 4 & 3) {
        b.kind = 0;
        b.spec.n_lanes = 1;
        b.spec.content = tiny_content(data[3] >> 4 & 3, data[1]);
        if (!lmz_memory_size(&b.spec, NULL))
            return 0;
    } else {
        b.spec.machine = data[3] >> 6;
    }
    uint8_t *payload = malloc(payload_size + 1); /* ends where the payload does, so that reading past it is seen */
    require(payload != NULL, "memory");
    memcpy(payload + 1, data + HEAD_SIZE, payload_size);
    if (variant == 3) {
        compare_variants(b, payload + 1, payload_size);
    } else {
        uint8_t *raw = malloc(raw_size);
        require(raw != NULL, "memory");
        const int best = best_for(&b);
        decode(&b, variant < 2 && lmz_simd_available(variant) ? variant : best, payload + 1, payload_size, raw);
        free(raw);
    }
    free(payload);
    return 0;
}
