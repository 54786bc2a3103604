/* decode_fuzzer.c - libFuzzer target: hostile payloads into the kernel's decoder (make fuzz).

   Input: method, lanes, raw size - 1 (low byte), variant << 1 | raw size (high bit), then the payload.  The blocks are
   short, since coverage comes from many of them.  Variant 3 means all: then, beyond "no crash", the kernel is held to
   its promises that every variant decodes any payload to the same bytes and that what was decoded can be encoded and
   decoded again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lmz.h"

#define HEAD_SIZE 4

static void require(int condition, const char *promise)
{
    if (!condition) {
        fprintf(stderr, "broken promise: %s\n", promise);
        abort();
    }
}

static int run(lmz_coder *coder)
{
    require(coder != NULL, "sound arguments give a coder");
    int status;
    while ((status = lmz_coder_run(coder, 500)) == LMZ_MORE)
        ;
    return status;
}

static int decode(int method, int n_lanes, int simd, const uint8_t *payload, size_t payload_size, uint8_t *raw, size_t raw_size)
{
    lmz_coder *coder = lmz_decoder_new(method, n_lanes, simd, NULL, payload, payload_size, raw, raw_size);
    int status = run(coder);
    lmz_coder_free(coder);
    require(status == LMZ_DONE || status == LMZ_E_DAMAGED, "a decoder ends with DONE or DAMAGED");
    return status;
}

static void encode_again(int method, int n_lanes, const uint8_t *raw, size_t raw_size)
{
    size_t capacity = raw_size + raw_size / 4 + 64;
    uint8_t *payload = malloc(capacity), *copy = malloc(raw_size);
    require(payload && copy, "memory");
    lmz_coder *coder = lmz_encoder_new(method, n_lanes, lmz_simd_best(), NULL, raw, raw_size, payload, capacity);
    int status = run(coder);
    size_t payload_size = lmz_coder_payload_size(coder);
    lmz_coder_free(coder);
    require(status == LMZ_DONE, "any bytes can be encoded");
    require(decode(method, n_lanes, lmz_simd_best(), payload, payload_size, copy, raw_size) == LMZ_DONE, "own payload decodes");
    require(!memcmp(raw, copy, raw_size), "the round trip is exact");
    free(payload);
    free(copy);
}

static void compare_variants(int method, int n_lanes, const uint8_t *payload, size_t payload_size, size_t raw_size)
{
    uint8_t *raw = calloc(1, raw_size), *other = calloc(1, raw_size);
    require(raw && other, "memory");
    int status = decode(method, n_lanes, LMZ_SIMD_PORTABLE, payload, payload_size, raw, raw_size);
    for (int simd = LMZ_SIMD_PORTABLE + 1; simd <= lmz_simd_best(); simd++) {
        memset(other, 0, raw_size);
        require(decode(method, n_lanes, simd, payload, payload_size, other, raw_size) == status, "one outcome");
        require(status != LMZ_DONE || !memcmp(raw, other, raw_size), "variants agree on every byte");
    }
    encode_again(method, n_lanes, raw, raw_size);
    free(raw);
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD_SIZE)
        return 0;
    int method = 1 + data[0] % (LMZ_NET_METHOD - 1), n_lanes = 1 + data[1] % LMZ_MAX_LANES, variant = data[3] >> 1 & 3;
    size_t raw_size = 1 + (size_t)(data[2] | (data[3] & 1) << 8), payload_size = size - HEAD_SIZE;
    uint8_t *payload = malloc(payload_size + 1); /* ends where the payload does, so that reading past it is seen */
    require(payload != NULL, "memory");
    memcpy(payload + 1, data + HEAD_SIZE, payload_size);
    if (variant == 3) {
        compare_variants(method, n_lanes, payload + 1, payload_size, raw_size);
    } else {
        uint8_t *raw = malloc(raw_size);
        require(raw != NULL, "memory");
        decode(method, n_lanes, variant < lmz_simd_best() ? variant : lmz_simd_best(), payload + 1, payload_size, raw, raw_size);
        free(raw);
    }
    free(payload);
    return 0;
}
