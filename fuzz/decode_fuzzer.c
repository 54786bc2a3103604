/* decode_fuzzer.c - libFuzzer target: hostile payloads into the kernel's decoder (make fuzz).

   Input: method - 1, lanes - 1, raw size - 1 (low byte), flags, then the payload.  Flags: bit 0 the high bit of the raw
   size, bits 1-2 the variant (portable, AVX2, the best, all), bit 3 a second thread, bit 4 a net or a transformer of the largest
   weights.
   The blocks are short, since coverage comes from many of them.  With all variants, beyond "no crash", the kernel is held
   to its promises that every one decodes any payload to the same bytes, with one thread or two, and that what was decoded
   can be encoded and decoded again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lmz.h"
#include "tiny_net.h"
#include "tiny_transformer.h"

#define HEAD_SIZE 4

static lmz_net *all_nets[2][LMZ_N_SIMD]; /* by kind of weights and variant */
static lmz_transformer *all_transformers[2][LMZ_N_SIMD];

typedef struct {
    int method, n_lanes, n_threads, net_kind;
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

static int has_tokens(block_kind b) { return b.method >= LMZ_TOKEN_METHOD; }

static const lmz_net *net_for(block_kind b, int simd)
{
    if (b.method < LMZ_NET_METHOD || has_tokens(b))
        return NULL;
    if (!all_nets[0][0])
        for (int kind = TINY_PLAUSIBLE; kind <= TINY_EXTREME; kind++) {
            static tiny_net weights[2]; /* what the nets point to */
            weights[kind] = tiny_net_make(tiny_shape, kind, 3);
            for (int i = 0; i < LMZ_N_SIMD; i++)
                require(!lmz_simd_available(i) || (all_nets[kind][i] = lmz_net_new(&tiny_shape, &weights[kind].weights, i)) != NULL, "sound weights");
        }
    return all_nets[b.net_kind][simd];
}

static const lmz_transformer *transformer_for(block_kind b, int simd)
{
    if (!has_tokens(b))
        return NULL;
    if (!all_transformers[0][0]) {
        tiny_token *tokens = tiny_allocate(TINY_N_STRINGS * sizeof *tokens);
        tiny_tokens_make(tokens);
        for (int kind = TINY_PLAUSIBLE; kind <= TINY_EXTREME; kind++)
            for (int i = 0; i < LMZ_N_SIMD; i++)
                require(!lmz_simd_available(i) || (all_transformers[kind][i] = tiny_transformer_make(&tiny_transformer, tokens, kind, i)) != NULL,
                        "a sound transformer");
        free(tokens);
    }
    return all_transformers[b.net_kind][simd];
}

static int decode(block_kind b, int simd, const uint8_t *payload, size_t payload_size, uint8_t *raw, size_t raw_size)
{
    lmz_coder *coder = lmz_decoder_new(b.method, b.n_lanes, simd, net_for(b, simd), transformer_for(b, simd), payload,
                                       payload_size, raw, raw_size);
    int status = run(coder, b.n_threads);
    lmz_coder_free(coder);
    require(status == LMZ_DONE || status == LMZ_E_DAMAGED, "a decoder ends with DONE or DAMAGED");
    return status;
}

static void encode_again(block_kind b, const uint8_t *raw, size_t raw_size)
{
    int best = lmz_simd_best();
    size_t capacity = raw_size + raw_size / 4 + 64;
    uint8_t *payload = malloc(capacity), *copy = malloc(raw_size);
    require(payload && copy, "memory");
    lmz_coder *coder = lmz_encoder_new(b.method, b.n_lanes, best, net_for(b, best), transformer_for(b, best), raw, raw_size,
                                       payload, capacity);
    if (has_tokens(b)) { /* every byte is a token */
        memset(copy, 1, raw_size);
        require(lmz_encoder_set_tokens(coder, copy, raw_size) == LMZ_DONE, "single bytes are a cut");
    }
    int status = run(coder, b.n_threads);
    size_t payload_size = lmz_coder_payload_size(coder);
    lmz_coder_free(coder);
    require(status == LMZ_DONE, "any bytes can be encoded");
    require(decode(b, best, payload, payload_size, copy, raw_size) == LMZ_DONE, "own payload decodes");
    require(!memcmp(raw, copy, raw_size), "the round trip is exact");
    free(payload);
    free(copy);
}

static void compare_variants(block_kind b, const uint8_t *payload, size_t payload_size, size_t raw_size)
{
    uint8_t *raw = calloc(1, raw_size), *other = calloc(1, raw_size);
    require(raw && other, "memory");
    int status = decode(b, LMZ_SIMD_PORTABLE, payload, payload_size, raw, raw_size);
    for (int simd = LMZ_SIMD_PORTABLE + 1; simd < LMZ_N_SIMD; simd++) {
        if (!lmz_simd_available(simd))
            continue;
        memset(other, 0, raw_size);
        b.n_threads = 3 - b.n_threads;
        require(decode(b, simd, payload, payload_size, other, raw_size) == status, "one outcome");
        require(status != LMZ_DONE || !memcmp(raw, other, raw_size), "variants agree on every byte");
    }
    encode_again(b, raw, raw_size);
    free(raw);
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD_SIZE)
        return 0;
    block_kind b = {1 + data[0] % LMZ_TOKEN_METHOD, 1 + data[1] % LMZ_MAX_LANES, 1 + (data[3] >> 3 & 1), data[3] >> 4 & 1};
    int variant = data[3] >> 1 & 3;
    size_t raw_size = 1 + (size_t)(data[2] | (data[3] & 1) << 8), payload_size = size - HEAD_SIZE;
    if (b.method >= LMZ_NET_METHOD) /* a sanitized net runs at some kB/s */
        raw_size = 1 + (raw_size - 1) % 128;
    if (has_tokens(b)) { /* and a transformer at less */
        raw_size = 1 + (raw_size - 1) % 32;
        b.n_lanes = 1 + (b.n_lanes - 1) % (LMZ_MAX_LANES / 2);
    }
    uint8_t *payload = malloc(payload_size + 1); /* ends where the payload does, so that reading past it is seen */
    require(payload != NULL, "memory");
    memcpy(payload + 1, data + HEAD_SIZE, payload_size);
    if (variant == 3) {
        compare_variants(b, payload + 1, payload_size, raw_size);
    } else {
        uint8_t *raw = malloc(raw_size);
        require(raw != NULL, "memory");
        int best = lmz_simd_best();
        decode(b, variant < best && variant < 2 ? variant : best, payload + 1, payload_size, raw, raw_size);
        free(raw);
    }
    free(payload);
    return 0;
}
