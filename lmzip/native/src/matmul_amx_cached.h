/* matmul_amx_cached.h - products in AMX with matrices that are in the cache, as those of small nets (matmul.h).

   Four tiles of rows at a time, so that as many sums are under way.  Tiles: sums of 16 lanes by 16 rows in 0 to 3,
   activations in 4, weights in 5; in 6 and 7 those of the last 32 columns of a row, as rows are multiples of 32 long
   and a tile holds 64. */

static void configure_cached_tiles(int n_lanes) /* at most 16 */
{
    tile_config config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        int tail = i >= 6, weights = i == 5 || i == 7;
        config.row_bytes[i] = tail && !weights ? 32 : 64;
        config.rows[i] = (uint8_t)(!weights ? n_lanes : tail ? 8 : 16);
    }
    STORE_FIRST();
    _tile_loadconfig(&config);
}

/* Add what the columns from k on give for the i-th 16 rows; x, y: the tiles of activations and of weights. */
#define ADD_ROWS(i, x, y)                                                 \
    do {                                                                  \
        _tile_loadd(y, w + (size_t)(i) * tile_size + (size_t)k * 16, 64); \
        _tile_dpbsud(i, x, y);                                            \
    } while (0)

/* 64 rows from `row` on for n <= 16 lanes, or 32. */
static void amx_cached_tiles(const weight_matrix *m, int row, int n_tiles, const int8_t *q, int32_t *out,
                             size_t out_stride, const int32_t *bias, int n)
{
    int32_t sum[4][16][16] __attribute__((aligned(64)));
    const size_t tile_size = (size_t)m->n_in * 16, stride = (size_t)m->n_in;
    const uint8_t *w = m->packed + (size_t)row * stride;
    int k = 0;
    STORE_FIRST();
    _tile_zero(0);
    _tile_zero(1);
    if (n_tiles == 4) {
        _tile_zero(2);
        _tile_zero(3);
    }
    for (; k + 64 <= m->n_in; k += 64) {
        _tile_loadd(4, q + k, stride);
        ADD_ROWS(0, 4, 5);
        ADD_ROWS(1, 4, 5);
        if (n_tiles == 4) {
            ADD_ROWS(2, 4, 5);
            ADD_ROWS(3, 4, 5);
        }
    }
    if (k < m->n_in) {
        _tile_loadd(6, q + k, stride);
        ADD_ROWS(0, 6, 7);
        ADD_ROWS(1, 6, 7);
        if (n_tiles == 4) {
            ADD_ROWS(2, 6, 7);
            ADD_ROWS(3, 6, 7);
        }
    }
    _tile_stored(0, sum[0], 64);
    _tile_stored(1, sum[1], 64);
    if (n_tiles == 4) {
        _tile_stored(2, sum[2], 64);
        _tile_stored(3, sum[3], 64);
    }
    for (int i = 0; i < n_tiles; i++) {
        __m512i multiplier = _mm512_loadu_si512(m->multiplier + row + 16 * i);
        for (int j = 0; j < n; j++)
            _mm512_storeu_si512(out + (size_t)j * out_stride + row + 16 * i,
                                scale_rows(_mm512_add_epi32(_mm512_load_si512(sum[i][j]), _mm512_set1_epi32(bias[j])),
                                           multiplier));
    }
}

/* Rows from `row` on for all lanes, 16 at a time; the weights stay in the cache meanwhile. */
static void amx_cached_rows(const weight_matrix *m, int row, int n_tiles, const int8_t *q, int n_lanes, int32_t *out,
                            size_t out_stride, const int32_t *bias)
{
    for (int j = 0; j < n_lanes; j += 16) {
        int n = n_lanes - j < 16 ? n_lanes - j : 16;
        if (n < 16)
            configure_cached_tiles(n);
        amx_cached_tiles(m, row, n_tiles, q + (size_t)j * (size_t)m->n_in, out + (size_t)j * out_stride, out_stride,
                         bias + j, n);
        if (n < 16)
            configure_cached_tiles(16);
    }
}

static void product_amx_cached(const weight_matrix *m, const int8_t *q, int n_lanes, int32_t *out, size_t out_stride,
                               const int32_t *bias)
{
    int row = 0;
    configure_cached_tiles(16);
    for (; row + 64 <= m->n_out; row += 64)
        amx_cached_rows(m, row, 4, q, n_lanes, out, out_stride, bias);
    if (row < m->n_out)
        amx_cached_rows(m, row, 2, q, n_lanes, out, out_stride, bias);
    _tile_release();
}
