/* matmul_amx.h - whole products in AMX (matmul.h). */

#define LMZ_AMX_LANES 8

/* AMX multiplies whole tiles, from LMZ_AMX_LANES lanes on faster than VNNI.

   Tiles: in 0 to 3 sums of 16 lanes each by 16 rows, in 4 weights, in 5 activations of 16 lanes, in 6 those of the last
   lanes, if they are fewer.  Weights pass by once, in the order of memory; activations stay in the cache. */
#define PASS_LANES 64

/* Weights of a transformer come from memory.  A processor foresees what is read of a page of 4 kB, a little way; for
   all that memory can give, several pages have to be begun at a time. */
#define FETCHED_PAGES 8
#define FETCHED_AT_ONCE (FETCHED_PAGES * 4096)

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

/* Compilers are not told what memory the tile instructions read. */
#define STORE_FIRST() __asm__ volatile("" ::: "memory")

static void configure_tiles(int n_lanes) /* of a pass */
{
    tile_config config = {.palette = 1};
    for (int i = 0; i < 7; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = 16;
    }
    if (n_lanes % 16)
        config.rows[n_lanes / 16] = config.rows[6] = (uint8_t)(n_lanes % 16);
    STORE_FIRST();
    _tile_loadconfig(&config);
}

/* Add what 64 columns give for lanes 16 g and behind of n. */
#define ADD_PRODUCTS(g)                                            \
    do {                                                           \
        if (n >= 16 * (g) + 16) {                                  \
            _tile_loadd(5, q + (size_t)(16 * (g)) * stride, stride); \
            _tile_dpbsud(g, 5, 4);                                 \
        } else if (n > 16 * (g)) {                                 \
            _tile_loadd(6, q + (size_t)(16 * (g)) * stride, stride); \
            _tile_dpbsud(g, 6, 4);                                 \
        }                                                          \
    } while (0)

/* Add the products of a tile of weights, 64 columns of 16 rows, with as many columns of n <= PASS_LANES lanes. */
ALWAYS_INLINE void amx_columns(const uint8_t *w, const int8_t *q, size_t stride, int n)
{
    _tile_loadd(4, w, 64);
    ADD_PRODUCTS(0);
    ADD_PRODUCTS(1);
    ADD_PRODUCTS(2);
    ADD_PRODUCTS(3);
}

/* Fetch the kilobyte whose turn it is while that at `at` of a stream is multiplied. */
ALWAYS_INLINE void fetch_weights(const matmul_stream *s, size_t at)
{
    const size_t first = (at / FETCHED_AT_ONCE + 1) * FETCHED_AT_ONCE + at % FETCHED_AT_ONCE / FETCHED_PAGES;
    for (size_t page = 0; page < FETCHED_AT_ONCE; page += 4096)
        for (size_t line = first + page; line < first + page + 1024 / FETCHED_PAGES; line += 64)
            if (line < s->size)
                __builtin_prefetch(s->packed + line, 0, 2);
            else if (s->next)
                __builtin_prefetch(s->next + (line - s->size), 0, 2);
}

/* 16 rows from `row` on for n <= PASS_LANES lanes.  last: (lanes, 64) the columns behind the last whole 64, and zeros.
   */
static void amx_rows(const weight_matrix *m, int row, const int8_t *q, const int8_t *last, int32_t *out,
                     size_t out_stride, const int32_t *bias, int n, const matmul_stream *stream)
{
    int32_t sum[PASS_LANES][16] __attribute__((aligned(64)));
    const size_t stride = (size_t)m->n_in, at = (size_t)row * stride;
    const uint8_t *w = m->packed + at;
    int k = 0;
    STORE_FIRST();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (; k + 64 <= m->n_in; k += 64) {
        if (stream)
            fetch_weights(stream, stream->at + at + (size_t)k * 16);
        amx_columns(w + (size_t)k * 16, q + k, stride, n);
    }
    if (k < m->n_in) {
        uint8_t rest[1024] __attribute__((aligned(64))) = {0};
        memcpy(rest, w + (size_t)k * 16, (size_t)(m->n_in - k) * 16);
        STORE_FIRST();
        amx_columns(rest, last, 64, n);
    }
    _tile_stored(0, sum[0], 64);
    if (n > 16)
        _tile_stored(1, sum[16], 64);
    if (n > 32)
        _tile_stored(2, sum[32], 64);
    if (n > 48)
        _tile_stored(3, sum[48], 64);
    const __m512i multiplier = _mm512_loadu_si512(m->multiplier + row);
    for (int j = 0; j < n; j++)
        _mm512_storeu_si512(
            out + (size_t)j * out_stride + row,
            scale_rows(_mm512_add_epi32(_mm512_load_si512(sum[j]), _mm512_set1_epi32(bias[j])), multiplier));
}

#include "matmul_amx_cached.h"

static void matmul_amx(const weight_matrix *m, const int8_t *q, int n_lanes, int32_t *out, size_t out_stride,
                       const int32_t *bias, const matmul_stream *stream)
{
    if (!stream) {
        product_amx_cached(m, q, n_lanes, out, out_stride, bias);
        return;
    }
    int8_t last[LMZ_MAX_LANES][64] __attribute__((aligned(64)));
    const int whole = m->n_in / 64 * 64;
    const size_t row_size = (size_t)m->n_in;
    if (whole < m->n_in)
        for (int j = 0; j < n_lanes; j++) {
            memcpy(last[j], q + (size_t)j * row_size + whole, row_size - (size_t)whole);
            memset(last[j] + (m->n_in - whole), 0, (size_t)(64 - (m->n_in - whole)));
        }
    configure_tiles(n_lanes < PASS_LANES ? n_lanes : PASS_LANES);
    for (int row = 0; row < m->n_out; row += 16)
        for (int j = 0; j < n_lanes; j += PASS_LANES) {
            const int n = n_lanes - j < PASS_LANES ? n_lanes - j : PASS_LANES;
            if (n_lanes > PASS_LANES && n % 16)
                configure_tiles(n);
            amx_rows(m, row, q + (size_t)j * row_size, last[j], out + (size_t)j * out_stride, out_stride, bias + j, n,
                     j ? NULL : stream);
            if (n_lanes > PASS_LANES && n % 16)
                configure_tiles(PASS_LANES);
        }
    _tile_release();
}
