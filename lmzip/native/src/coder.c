/* coder.c - coders: arguments, memory, choice of the variant; and the table of methods (ARITHMETIC 6). */
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "internal.h"
#include "contexts.h"
#include "probability.h"

static const uint8_t fast_contexts[] = {ORDER_1, ORDER_2, ORDER_3, ORDER_4, ORDER_6, WORD};
static const uint8_t all_contexts[] = {
    ORDER_1, ORDER_2, ORDER_3, ORDER_4, ORDER_5, ORDER_6, ORDER_8, WORD, WORD_1, WORD_2, SPARSE_2, SPARSE_23, SPARSE_13,
    COLUMN, FIELD_ABOVE, FIELD_ABOVE_1, RECORD, RECORD_2, INDIRECT, INDIRECT_1};

static const lmz_method methods[LMZ_N_METHODS + 1] = {
    {0, 0, 0, 0, 0, 0},
    {fast_contexts, 6, 2, 8, 20, 0},
    {all_contexts, 12, 3, 8, 21, 3},
    {all_contexts, 20, 5, 8, 22, 3},
    {all_contexts, 20, 7, SPB, 22, 3},
};

static const uint16_t set_size[MAX_SETS] = {256, 256, 256, 256, 72, 512, 256, 1};

static const lmz_method *get_method(int method)
{
    return method >= 1 && method <= LMZ_N_METHODS ? &methods[method] : NULL;
}

/* Carve `size` bytes, 64-aligned, out of memory; with base NULL only count. */
static void *carve(uint8_t *base, size_t *offset, size_t size)
{
    size_t at = *offset;
    *offset += (size + 63) & ~(size_t)63;
    return base ? base + at : NULL;
}

/* The smallest power of two that is at least n, but at most `limit`, itself a power of two. */
static uint32_t power_above(uint64_t n, uint32_t limit)
{
    uint32_t p = 1;
    while (p < n && p < limit)
        p <<= 1;
    return p;
}

/* Lay out all state; with base NULL return only the size needed. */
static size_t lay_out(struct lmz_coder *c, uint8_t *base, const lmz_method *m, size_t raw_size)
{
    size_t offset = 0;
    uint64_t lines = (uint64_t)raw_size * (uint64_t)m->slots_per_byte / 4 + 64;
    if (lines > 1u << m->max_table_bits)
        lines = 1u << m->max_table_bits;
    uint32_t matches = power_above(raw_size + 64, 1u << 22);
    c->n_lines = (uint32_t)lines;
    c->match_mask = matches - 1;
    c->apm_mask = power_above(raw_size * 2 + 256, 1u << 16) - 1;
    c->n_inputs = N_INPUTS(m->n_contexts);
    c->slots = carve(base, &offset, (size_t)lines * 64);
    for (int k = 0; k < 2; k++)
        c->match_table[k] = carve(base, &offset, (size_t)matches * 4);
    c->map = carve(base, &offset, (size_t)m->n_contexts * sizeof *c->map);
    c->order0 = carve(base, &offset, 256 * 4);
    c->order1 = carve(base, &offset, 65536 * 4);
    c->match_map = carve(base, &offset, 2 * sizeof *c->match_map);
    for (int s = 0; s < m->n_sets; s++)
        c->weights[s] = carve(base, &offset, (size_t)set_size[s] * (size_t)c->n_inputs * 4);
    c->final_weights = carve(base, &offset, 256 * 16 * 4);
    for (int a = 0; a < m->n_apm; a++)
        c->apm[a] = carve(base, &offset, (a ? (size_t)c->apm_mask + 1 : 65536) * 33 * 2);
    c->indirect1 = carve(base, &offset, 256 * 4);
    c->indirect2 = carve(base, &offset, 65536 * 4);
    c->stride_score = carve(base, &offset, 2048 * 2);
    return offset;
}

static void set_initial_values(struct lmz_coder *c)
{
    const lmz_method *m = c->method;
    for (int i = 0; i < m->n_contexts; i++)
        for (int s = 0; s < LMZ_N_STATES; s++)
            c->map[i][s] = (uint32_t)lmz_state_p[s] << 16;
    for (int i = 0; i < 256; i++)
        c->order0[i] = 1u << 31;
    for (int i = 0; i < 65536; i++)
        c->order1[i] = 1u << 31;
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 64; i++)
            c->match_map[j][i] = (uint32_t)(65536 - 65536 / (i + 3)) << 16;
    for (int s = 0; s < m->n_sets; s++)
        for (int i = 0; i < set_size[s]; i++)
            for (int k = 0; k < c->n_inputs; k++)
                c->weights[s][i * c->n_inputs + k] = k < 2 * m->n_contexts ? (k >= m->n_contexts ? 0 : W0 * 256) : k < 2 * m->n_contexts + 6 ? W0 * 256 : 0;
    for (int i = 0; i < 256 * 16; i++)
        c->final_weights[i] = (1 << 28) / m->n_sets;
    uint16_t row[33];
    for (int i = 0; i < 33; i++) {
        int32_t x = (i - 16) * 768;
        uint32_t index = (uint32_t)(x + 12288) >> 3;
        uint32_t p = lmz_squash_table[index] >> 8;
        row[i] = (uint16_t)(p > 65535 ? 65535 : p);
    }
    for (int a = 0; a < m->n_apm; a++)
        for (size_t i = 0; i < (a ? (size_t)c->apm_mask + 1 : 65536); i++)
            memcpy(c->apm[a] + i * 33, row, sizeof row);
}

size_t lmz_memory_size(int method, size_t raw_size, int n_lanes)
{
    const lmz_method *m = get_method(method);
    struct lmz_coder scratch;
    if (!m || raw_size > LMZ_MAX_RAW_SIZE || n_lanes < 1 || n_lanes > LMZ_MAX_LANES)
        return 0;
    return sizeof(struct lmz_coder) + (size_t)n_lanes * sizeof(lmz_lane) + lay_out(&scratch, NULL, m, raw_size);
}

static void *allocate_zeroed(size_t size)
{
#if defined(__linux__)
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, size, MADV_HUGEPAGE);
    return memory;
#else
    return calloc(1, size);
#endif
}

static struct lmz_coder *coder_new(int method, int n_lanes, int simd, uint8_t *raw, size_t raw_size)
{
    const lmz_method *m = get_method(method);
    if (!lmz_memory_size(method, raw_size, n_lanes) || !raw_size || simd < 0 || simd > lmz_simd_best())
        return NULL;
    struct lmz_coder *c = calloc(1, sizeof *c + (size_t)n_lanes * sizeof(lmz_lane));
    if (!c)
        return NULL;
    c->method = m;
    c->method_number = method;
    c->n_lanes = n_lanes;
    c->run = lmz_run_portable;
#if defined(__x86_64__)
    if (simd == LMZ_SIMD_AVX2) c->run = lmz_run_avx2;
    if (simd == LMZ_SIMD_AVX512) c->run = lmz_run_avx512;
#endif
    c->raw = raw;
    c->raw_size = (uint32_t)raw_size;
    c->chunk_size = (uint32_t)((raw_size + (size_t)n_lanes - 1) / (size_t)n_lanes);
    c->memory_size = lay_out(c, NULL, m, raw_size);
    c->memory = allocate_zeroed(c->memory_size);
    if (!c->memory) {
        free(c);
        return NULL;
    }
    lay_out(c, c->memory, m, raw_size);
    set_initial_values(c);
    for (int i = 0; i < n_lanes; i++) {
        lmz_lane *lane = &c->lanes[i];
        uint64_t start = (uint64_t)c->chunk_size * (uint64_t)i, end = start + c->chunk_size;
        lane->start = lane->position = (uint32_t)(start < raw_size ? start : raw_size);
        lane->end = (uint32_t)(end < raw_size ? end : raw_size);
        lane->line_start = lane->above_start = lane->field_start = lane->start;
        lane->field_starts[0][0] = lane->start;
    }
    return c;
}

lmz_coder *lmz_encoder_new(int method, int n_lanes, int simd, const uint8_t *raw, size_t raw_size, uint8_t *payload,
                           size_t capacity)
{
    /* An encoder never writes to raw: code_byte does so only when it decodes. */
    struct lmz_coder *c = coder_new(method, n_lanes, simd, (uint8_t *)(uintptr_t)raw, raw_size);
    if (c)
        rc_start_encoder(&c->rc, payload, capacity);
    return c;
}

lmz_coder *lmz_decoder_new(int method, int n_lanes, int simd, const uint8_t *payload, size_t payload_size, uint8_t *raw,
                           size_t raw_size)
{
    struct lmz_coder *c = coder_new(method, n_lanes, simd, raw, raw_size);
    if (c)
        rc_start_decoder(&c->rc, payload, payload_size);
    return c;
}

int lmz_coder_run(lmz_coder *c, uint64_t n_steps)
{
    int status = c->run(c, n_steps);
    if (status != LMZ_DONE)
        return status;
    if (c->rc.decoding)
        return rc_finished_decoder(&c->rc) ? LMZ_DONE : LMZ_E_DAMAGED;
    rc_finish_encoder(&c->rc);
    return c->rc.failed ? LMZ_E_FULL : LMZ_DONE;
}

size_t lmz_coder_payload_size(const lmz_coder *c) { return c->rc.position; }

void lmz_coder_free(lmz_coder *c)
{
    if (!c)
        return;
#if defined(__linux__)
    munmap(c->memory, c->memory_size);
#else
    free(c->memory);
#endif
    free(c);
}

int lmz_simd_best(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return LMZ_SIMD_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
        return LMZ_SIMD_AVX2;
#endif
    return LMZ_SIMD_PORTABLE;
}
