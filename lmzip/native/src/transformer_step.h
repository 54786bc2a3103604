/* transformer_step.h - one step of a transformer for some lanes, compiled once per SIMD variant (ARITHMETIC 9). */
#include "net_product.h"
#include "probability.h"
#include "transformer.h"
#include "wide_numbers.h"

static inline int32_t keep(int64_t v) { return (int32_t)(v > KEPT_LIMIT ? KEPT_LIMIT : v < -KEPT_LIMIT ? -KEPT_LIMIT : v); }

/* (v * a + half) >> n, kept (ARITHMETIC 9.1). */
static inline int32_t scale(int64_t v, int64_t a, int n)
{
    return keep(n > 0 ? (v * a + ((int64_t)1 << (n - 1))) >> n : v * a * ((int64_t)1 << -n));
}

static int bits_of(uint64_t n) { return n ? 64 - __builtin_clzll(n) : 0; }

typedef struct { /* of n numbers, 0 among them */
    int32_t low, high;
} extremes;

static extremes extremes_of(const int32_t *v, int n)
{
    extremes e = {0, 0};
    for (int i = 0; i < n; i++) {
        e.low = v[i] < e.low ? v[i] : e.low;
        e.high = v[i] > e.high ? v[i] : e.high;
    }
    return e;
}

static inline int32_t shifted(int32_t v, int up, int down) { return (int32_t)((uint32_t)v << up) >> down; }

/* How to shift numbers so that the largest has `bits` bits; the shift is down - up. */
static void find_shift(extremes e, int bits, int *up, int *down)
{
    const int32_t max = e.high > -e.low ? e.high : -e.low;
    const int shift = max ? bits_of((uint64_t)max) - bits : 0;
    *up = shift < 0 ? -shift : 0;
    *down = shift > 0 ? shift : 0;
}

static packed_scale pack8(const int32_t *v, int n, int8_t *q)
{
    const extremes e = extremes_of(v, n);
    int up, down;
    find_shift(e, 15, &up, &down);
    const int32_t low = -shifted(e.low, up, down), high = shifted(e.high, up, down), max = low > high ? low : high;
    const int32_t top = max > 1 ? max : 1, r = (127 << 24) / top;
    for (int i = 0; i < n; i++)
        q[i] = (int8_t)((shifted(v[i], up, down) * r + (1 << 23)) >> 24);
    return (packed_scale){top, down - up};
}

static packed_scale pack15(const int32_t *v, int n, int8_t *high, int8_t *low)
{
    int up, down;
    find_shift(extremes_of(v, n), 14, &up, &down);
    for (int i = 0; i < n; i++) {
        int32_t w = clamp(shifted(v[i], up, down), 16319), h = (w + 64) >> 7;
        high[i] = (int8_t)h;
        low[i] = (int8_t)(w - 128 * h);
    }
    return (packed_scale){127, down - up};
}

/* Pack a vector for one of the products; lane j of n. */
static packed_scale pack_for(const struct lmz_transformer *t, transformer_lanes *lanes, int which, const int32_t *v, int n_in, int j,
                             int n)
{
    int8_t *at = lanes->quantised + (size_t)j * (size_t)n_in, *low = at + (size_t)n * (size_t)n_in;
    packed_scale s;
    if (t->shape.wide >> which & 1) {
        s = pack15(v, n_in, at, low);
        lanes->bias[n + j] = BIAS_OF(low, n_in);
    } else
        s = pack8(v, n_in, at);
    lanes->bias[j] = BIAS_OF(at, n_in);
    return s;
}

#define ROWS_AT_ONCE 64 /* of a matrix: what they give for all lanes stays in the cache until it is made use of */
#define SUMS (LMZ_MAX_LANES * ROWS_AT_ONCE) /* vectors are at most as many, and lanes at most half */

/* A member's rows of a matrix, some at a time, and what those give for the packed vectors of all lanes. */
typedef struct {
    int first, end; /* all its rows */
    int row, n_rows, is_wide;
    net_stream stream;
    int32_t sums[SUMS]; /* (n, ROWS_AT_ONCE), or (2 n, ROWS_AT_ONCE) for vectors of 15 bits, the low parts behind the high ones */
} rows_of;

static const uint8_t *first_weights(const struct lmz_transformer *t, const net_matrix *m, const team_member *me)
{
    const int first = team_share(me, m->n_out / NET_ROW_ALIGN) * NET_ROW_ALIGN;
    return m->packed + matrix_size(t->packing, (size_t)first, (size_t)m->n_in);
}

/* Begin with a member's rows; next: the matrix whose rows come after these, or NULL. */
static void begin_rows(const struct lmz_transformer *t, int which, const net_matrix *m, const net_matrix *next, const team_member *me,
                       rows_of *r)
{
    r->first = team_share(me, m->n_out / NET_ROW_ALIGN) * NET_ROW_ALIGN;
    r->end = team_share_end(me, m->n_out / NET_ROW_ALIGN) * NET_ROW_ALIGN;
    r->row = r->first - ROWS_AT_ONCE;
    r->is_wide = t->shape.wide >> which & 1;
    r->stream = (net_stream){first_weights(t, m, me), 0, matrix_size(t->packing, (size_t)(r->end - r->first), (size_t)m->n_in),
                             next ? first_weights(t, next, me) : NULL};
}

/* Multiply the next rows with the packed vectors of n lanes; returns 0 if there are none. */
static int multiply(const struct lmz_transformer *t, const transformer_lanes *lanes, const net_matrix *m, int n, rows_of *r)
{
    r->row += ROWS_AT_ONCE;
    if (r->row >= r->end)
        return 0;
    r->n_rows = r->end - r->row < ROWS_AT_ONCE ? r->end - r->row : ROWS_AT_ONCE;
    r->stream.at = matrix_size(t->packing, (size_t)(r->row - r->first), (size_t)m->n_in);
    const net_matrix part = {m->n_in, r->n_rows, r->stream.packed + r->stream.at, m->multiplier + r->row};
    product_biased(&part, lanes->quantised, r->is_wide ? 2 * n : n, r->sums, ROWS_AT_ONCE, lanes->bias, &r->stream);
    return 1;
}

static const int32_t *high_of(const rows_of *r, int j) { return r->sums + (size_t)j * ROWS_AT_ONCE; }
static const int32_t *low_of(const rows_of *r, int j, int n) { return r->is_wide ? high_of(r, n + j) : NULL; }

/* What a product gave, of vectors of 15 bits both parts. */
static inline wide product_at(const int32_t *high, const int32_t *low, int r)
{
    const wide v = wide_load(high + r);
    return low ? wide_add(wide_multiply_short(v, wide_of(128)), wide_load(low + r)) : v;
}

/* Bring n numbers of a lane's product, a multiple of N_WIDE, to units: scale(product, a, shift) with shift > 0. */
static inline void rescale(const int32_t *high, const int32_t *low, int n, int64_t a, int shift, int32_t *y)
{
    const wide factor = wide_of(a), half = wide_of((int64_t)1 << (shift - 1));
    for (int r = 0; r < n; r += N_WIDE)
        wide_store(y + r, wide_shift(wide_add(wide_multiply(product_at(high, low, r), factor), half), shift), KEPT_LIMIT);
}

/* The same added to x, with a number of 16 bits and any shift. */
static inline void add_rescaled(const int32_t *high, const int32_t *low, int n, packed_scale s, int32_t *x)
{
    const int shift = 16 - s.shift;
    const wide factor = wide_of(s.top), half = wide_of(shift > 0 ? (int64_t)1 << (shift - 1) : 0);
    int32_t y[N_WIDE];
    for (int r = 0; r < n; r += N_WIDE) {
        wide v = wide_multiply(product_at(high, low, r), factor);
        v = shift > 0 ? wide_shift(wide_add(v, half), shift) : wide_multiply(v, wide_of((int64_t)1 << -shift));
        wide_store(y, v, KEPT_LIMIT);
        wide_store(x + r, wide_add(wide_load(x + r), wide_load(y)), KEPT_LIMIT);
    }
}

/* What one item of work may use for itself. */
static int32_t *scratch_of(const struct lmz_transformer *t, const transformer_lanes *lanes, int place, int head)
{
    return lanes->scratch + (size_t)(place * t->shape.n_kv_head + head) * lanes->scratch_size;
}

/* Normalise the residual of lane j of n and pack it for a product: what that gives is to be scaled by the lane's factor and
   shift (ARITHMETIC 9.4). */
static void normalise(const struct lmz_transformer *t, transformer_lanes *lanes, int norm, int which, int j, int n)
{
    const int width = t->shape.n_embd;
    const int32_t *x = lanes->residual + (size_t)j * (size_t)width;
    int32_t *scratch = scratch_of(t, lanes, j, 0);
    const int16_t *g = t->norms + (size_t)norm * (size_t)width;
    int up, down;
    find_shift(extremes_of(x, width), 15, &up, &down);
    uint64_t total = down ? t->shape.epsilon >> 2 * down : t->shape.epsilon << 2 * up;
    for (int i = 0; i < width; i++) {
        int32_t v = shifted(x[i], up, down);
        scratch[i] = v * g[i];
        total += (uint64_t)((int64_t)v * v);
    }
    total = total ? total : 1;
    const int e = (63 - __builtin_clzll(total)) & ~1; /* total = m / 2^30 * 2^e, 2^30 <= m < 2^32 */
    const uint32_t m = (uint32_t)(e >= 30 ? total >> (e - 30) : total << (30 - e));
    const uint32_t at = (m >> 24) - 64, f = m >> 8 & 65535;
    const int64_t root = (int64_t)(lmz_rsqrt_table[at] - ((uint64_t)(lmz_rsqrt_table[at] - lmz_rsqrt_table[at + 1]) * f >> 16));
    const packed_scale s = pack_for(t, lanes, which, scratch, width, j, n);
    const int places = 16 + t->norm_units[norm] - s.shift + e / 2;
    lanes->factor[j] = s.top * (root * t->norm_factor >> 31);
    lanes->shift[j] = places < 1 ? 1 : places > 62 ? 62 : places;
}

/* 2^14 times the cosine of a 2^-32th of a turn (ARITHMETIC 9.5). */
static int32_t cosine(uint32_t phase)
{
    const uint32_t quarter = phase >> 30, rest = phase & ((1u << 30) - 1);
    const uint32_t p = quarter & 1 ? (1u << 30) - rest : rest, at = p >> 20;
    if (at == 1024)
        return 0;
    const int32_t f = p >> 4 & 65535;
    const int32_t c = lmz_cosine_table[at] - (((lmz_cosine_table[at] - lmz_cosine_table[at + 1]) * f + 32768) >> 16);
    return quarter == 1 || quarter == 2 ? -c : c;
}

/* Turn a head's vector by its lane's angles, and pack it; v is changed. */
static packed_scale rotate(int32_t *v, int n, const int16_t *cosines, const int16_t *sines, int8_t *q)
{
    const int half = n / 2;
    int up, down;
    find_shift(extremes_of(v, n), 15, &up, &down);
    for (int i = 0; i < half; i++) {
        int32_t x = shifted(v[i], up, down), y = shifted(v[half + i], up, down), c = cosines[i], s = sines[i];
        v[i] = (x * c - y * s + (1 << 13)) >> 14;
        v[half + i] = (x * s + y * c + (1 << 13)) >> 14;
    }
    packed_scale packed = pack8(v, n, q);
    packed.shift += down - up;
    return packed;
}

static int32_t size_of(packed_scale s)
{
    int64_t size = s.shift >= 0 ? (int64_t)s.top << s.shift : s.top >> -s.shift;
    return (int32_t)(size > SIZE_LIMIT ? SIZE_LIMIT : size);
}

/* 2^18 * 2^(-f / 4096), f = x & 4095 (ARITHMETIC 8.7). */
static inline int32_t power(int32_t x)
{
    const int32_t f = x & 4095;
    return (1 << 18) - ((f * (181252 - ((f * (60439 - ((f * 10259) >> 12))) >> 12))) >> 12);
}

/* One head of keys and values of a lane, and the number of its tokens. */
typedef struct {
    uint8_t *keys, *values;
    int32_t *key_multiplier, *value_size;
    int n_seen; /* tokens that are there */
} head_cache;

/* Keys and values of what comes next, and how much of them is fetched. */
typedef struct {
    const uint8_t *keys, *values;
    size_t at, n_lines;
} cache_to_come;

/* Take in the key and the value of a token. */
static void remember(const struct lmz_transformer *t, head_cache *cache, uint32_t token, uint32_t window, const int8_t *key,
                     packed_scale key_scale, const int8_t *value, packed_scale value_scale)
{
    const int dim = t->shape.head_dim;
    const int slot = (int)(token < window ? token : N_KEPT + (token - N_KEPT) % (window - N_KEPT));
    matrix_put_row(t->packing, cache->keys, dim, slot, key);
    matrix_put_column(t->packing, cache->values + matrix_size(t->packing, (size_t)(slot / VALUE_BLOCK * VALUE_BLOCK), (size_t)dim), dim,
                      VALUE_BLOCK, slot % VALUE_BLOCK, value);
    cache->key_multiplier[slot] = size_of(key_scale) * 256;
    cache->value_size[slot] = size_of(value_scale);
}

/* From scores (n, room for whole tiles) to weights: parts of 8 bits into high and low, by blocks.  Returns what sums are
   scaled by. */
static void softmax(int32_t *scores, int n, const int32_t *size, int8_t *high, int8_t *low, size_t block_stride, int64_t *inverse,
                    int *shift)
{
    int32_t max = scores[0];
    for (int i = 1; i < n; i++)
        max = scores[i] > max ? scores[i] : max;
    uint64_t total = 0;
    for (int i = 0; i < n; i++) {
        int32_t x = max - scores[i];
        x = x > 30 << 12 ? 30 << 12 : x;
        scores[i] = (power(x) << 4) >> (x >> 12);
        total += (uint32_t)scores[i];
    }
    for (int i = n; i < whole_tiles(n); i++)
        scores[i] = 0;
    wide weighted = wide_of(0), heaviest = wide_of(0);
    for (int i = 0; i < n; i += N_WIDE) {
        const wide b = wide_multiply_short(wide_load(scores + i), wide_load(size + i));
        weighted = wide_add(weighted, b);
        heaviest = wide_max(heaviest, b);
    }
    int places = bits_of((uint64_t)wide_largest(heaviest)) - 14, by_sum = bits_of((uint64_t)wide_sum(weighted)) - 24;
    places = places < by_sum ? by_sum : places;
    places = places < 0 ? 0 : places;
    const wide half = wide_of(((int64_t)1 << places) >> 1);
    for (int i = 0; i < n; i += N_WIDE)
        wide_store(scores + i, wide_shift(wide_add(wide_multiply_short(wide_load(scores + i), wide_load(size + i)), half), places), 16319);
    for (int start = 0; start < n; start += VALUE_BLOCK, high += block_stride, low += block_stride) {
        const int end = n - start < VALUE_BLOCK ? n - start : VALUE_BLOCK;
        for (int i = 0; i < end; i++) {
            int32_t w = scores[start + i], h = (w + 64) >> 7;
            high[i] = (int8_t)h;
            low[i] = (int8_t)(w - 128 * h);
        }
        memset(high + end, 0, (size_t)(VALUE_BLOCK - end));
        memset(low + end, 0, (size_t)(VALUE_BLOCK - end));
    }
    const int e = bits_of(total);
    *inverse = (int64_t)(((uint64_t)1 << (e + 22)) / (127 * total));
    *shift = e + 22 - places;
}

/* Fetch n_lines more of what is attended to next, keys and values in turn. */
static void fetch_cache(cache_to_come *c, size_t n_lines)
{
    const size_t end = c->at + n_lines < c->n_lines ? c->at + n_lines : c->n_lines;
    for (; c->at < end; c->at++)
        __builtin_prefetch((c->at & 1 ? c->values : c->keys) + c->at / 2 * 64, 0, 2);
}

/* The queries (group, dim) of one head of keys: what they attend to, into out (group, dim). */
static void attend(const struct lmz_transformer *t, const head_cache *cache, cache_to_come *next, const int8_t *queries,
                   const packed_scale *scales, int group, int32_t *scratch, const int32_t *unit_multiplier, int32_t *out)
{
    const int dim = t->shape.head_dim, n = cache->n_seen, n_blocks = (n + VALUE_BLOCK - 1) / VALUE_BLOCK;
    const size_t stride = (size_t)whole_tiles(n), block_stride = 2 * (size_t)group * VALUE_BLOCK;
    const size_t lines_at_once = next->n_lines / (size_t)(2 * n_blocks + 2 * group) + 1;
    int32_t *scores = scratch, *sums = scores + (size_t)group * stride; /* (group, stride); (2 group, dim) */
    int8_t *weights = (int8_t *)(sums + 4 * (size_t)group * (size_t)dim); /* (blocks, 2 group, VALUE_BLOCK) */
    int32_t *totals = sums + 2 * (size_t)group * (size_t)dim;           /* (group, dim) */
    int64_t inverse[128];
    int shift[128];
    for (int b = 0; b < n; b += VALUE_BLOCK) {
        const net_matrix keys = {dim, whole_tiles(n - b < VALUE_BLOCK ? n - b : VALUE_BLOCK),
                                 cache->keys + matrix_size(t->packing, (size_t)b, (size_t)dim), cache->key_multiplier + b};
        product(&keys, queries, group, scores + b, stride);
        fetch_cache(next, lines_at_once);
    }
    for (int h = 0; h < group; h++) {
        int32_t *row = scores + (size_t)h * stride;
        const int32_t a = (int32_t)(scales[h].top * t->shape.scale_of_scores >> 12); /* of 32 bits, for a product of such */
        const int places = 20 - scales[h].shift;
        const wide factor = wide_of(a), half = wide_of((int64_t)1 << (places - 1));
        for (int i = 0; i < n; i += N_WIDE)
            wide_store(row + i, wide_shift(wide_add(wide_multiply_short(wide_load(row + i), factor), half), places), 1 << 29);
        fetch_cache(next, lines_at_once);
        int8_t *high = weights + (size_t)h * VALUE_BLOCK;
        softmax(row, n, cache->value_size, high, high + (size_t)group * VALUE_BLOCK, block_stride, &inverse[h], &shift[h]);
        fetch_cache(next, lines_at_once);
    }
    memset(totals, 0, (size_t)group * (size_t)dim * sizeof *totals);
    for (int b = 0; b < n_blocks; b++) {
        const net_matrix values = {VALUE_BLOCK, dim, cache->values + matrix_size(t->packing, (size_t)b * VALUE_BLOCK, (size_t)dim),
                                   unit_multiplier};
        product(&values, weights + (size_t)b * block_stride, 2 * group, sums, (size_t)dim);
        for (int i = 0; i < group * dim; i++)
            totals[i] += 128 * sums[i] + sums[group * dim + i];
        fetch_cache(next, lines_at_once);
    }
    for (int h = 0; h < group; h++)
        for (int i = 0; i < dim; i++)
            out[h * dim + i] = scale(totals[h * dim + i], inverse[h], shift[h]);
}

/* One head of keys and values in a layer, of the lane at a place. */
static head_cache cache_of(const struct lmz_transformer *t, const transformer_lanes *lanes, int place, int layer, int h)
{
    const lmz_transformer_shape *s = &t->shape;
    const size_t window = (size_t)lanes->window, lane = (size_t)lanes->active[place];
    const size_t at = ((lane * (size_t)s->n_layer + (size_t)layer) * (size_t)s->n_kv_head + (size_t)h) * window;
    const size_t bytes = matrix_size(t->packing, at, (size_t)s->head_dim);
    const uint32_t n_seen = lanes->n_tokens[lane] + 1;
    return (head_cache){lanes->keys + bytes, lanes->values + bytes, lanes->key_multiplier + at, lanes->value_size + at,
                        (int)(n_seen < window ? n_seen : window)};
}

/* Attention of a lane to one head of keys and values in a layer: from the product with `in` to the queries' part of
   lanes->attended. */
static void attend_head(const struct lmz_transformer *t, transformer_lanes *lanes, int place, int h, head_cache *cache, cache_to_come *next)
{
    const lmz_transformer_shape *s = &t->shape;
    const int dim = s->head_dim, group = s->n_head / s->n_kv_head, first = h * group * dim;
    const size_t half = (size_t)dim / 2;
    const int16_t *cosines = lanes->cosines + (size_t)place * half, *sines = lanes->sines + (size_t)place * half;
    int32_t unit_multiplier[256];
    int8_t key[256], value[256], queries[8192];
    packed_scale scales[128];
    int32_t *q = lanes->product + (size_t)place * (size_t)t->max_row + first;
    int32_t *k = q - first + (s->n_head + h) * dim, *v = k + s->n_kv_head * dim;
    const packed_scale key_scale = rotate(k, dim, cosines, sines, key), value_scale = pack8(v, dim, value);
    remember(t, cache, lanes->n_tokens[lanes->active[place]], (uint32_t)lanes->window, key, key_scale, value, value_scale);
    for (int i = 0; i < group; i++)
        scales[i] = rotate(q + i * dim, dim, cosines, sines, queries + (size_t)(i * dim));
    for (int i = 0; i < dim; i++)
        unit_multiplier[i] = 1 << NET_SCALE_BITS;
    attend(t, cache, next, queries, scales, group, scratch_of(t, lanes, place, h), unit_multiplier,
           lanes->attended + (size_t)place * (size_t)(s->n_head * dim) + first);
}

/* A number of the table of sigmoids in the low 16 bits and the next in the high ones. */
static inline void look_up_sigmoids(const int32_t *at, int n, uint32_t *pairs)
{
    int i = 0;
#if defined(LMZ_AVX512)
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_si512(pairs + i, _mm512_i32gather_epi32(_mm512_loadu_si512(at + i), lmz_sigmoid_table, 2));
#endif
    for (; i < n; i++)
        pairs[i] = lmz_sigmoid_table[at[i]] | (uint32_t)lmz_sigmoid_table[at[i] + 1] << 16;
}

#define AT_ONCE 64 /* gates */

/* Gates and others to n activations. */
static void swiglu(const int32_t *gates, const int32_t *others, int n, int32_t *out)
{
    int32_t size[AT_ONCE], at[AT_ONCE];
    uint32_t pairs[AT_ONCE];
    for (int first = 0; first < n; first += AT_ONCE) {
        const int end = n - first < AT_ONCE ? n - first : AT_ONCE;
        for (int i = 0; i < end; i++) {
            const int32_t g = gates[first + i];
            size[i] = g < 0 ? -g : g;
            size[i] = size[i] > 65535 ? 65535 : size[i]; /* from there on it is 1, as the last numbers of the table are */
            at[i] = size[i] >> 6;
        }
        look_up_sigmoids(at, end, pairs);
        for (int i = 0; i < end; i++) {
            const int32_t low = (int32_t)(pairs[i] & 65535), high = (int32_t)(pairs[i] >> 16);
            const int32_t s = low + (((high - low) * (size[i] & 63) + 32) >> 6);
            at[i] = gates[first + i] < 0 ? (1 << 15) - s : s;
        }
        for (int i = 0; i < end; i += N_WIDE) {
            wide v = wide_multiply_short(wide_load(gates + first + i), wide_load(at + i));
            v = wide_shift(wide_add(v, wide_of(1 << 14)), 15);
            v = wide_multiply_short(v, wide_load(others + first + i));
            wide_store(out + first + i, wide_shift(wide_add(v, wide_of(1 << 11)), 12), KEPT_LIMIT);
        }
    }
}

/* Logits to exponentials, in place (ARITHMETIC 9.9). */
static void exponentials(int32_t *logits, int n)
{
    int32_t max = logits[0];
    for (int i = 1; i < n; i++)
        max = logits[i] > max ? logits[i] : max;
    for (int i = 0; i < n; i++) {
        uint32_t x = (uint32_t)max - (uint32_t)logits[i];
        x = x > 30u << 12 ? 30u << 12 : x;
        uint32_t e = (uint32_t)power((int32_t)x) << 13 >> (x >> 12);
        logits[i] = (int32_t)(e ? e : 1);
    }
}

/* The logits of n lanes and their exponentials. */
static void predict_tokens(const struct lmz_transformer *t, transformer_lanes *lanes, int n, rows_of *r, const team_member *me)
{
    const size_t n_vocab = (size_t)whole_tiles(t->shape.n_vocab);
    begin_rows(t, LMZ_PRODUCT_HEAD, &t->head, NULL, me, r);
    while (multiply(t, lanes, &t->head, n, r))
        for (int j = 0; j < n; j++)
            rescale(high_of(r, j), low_of(r, j, n), r->n_rows, lanes->factor[j] * 94548 >> 16, lanes->shift[j],
                    lanes->logits + (size_t)j * n_vocab + r->row);
    team_meet(me);
    for (int j; (j = team_take(me)) < n;)
        exponentials(lanes->logits + (size_t)j * n_vocab, t->shape.n_vocab);
    team_meet(me);
}

/* Take in a lane's last token: its embedding and its angles. */
static void begin_lane(const struct lmz_transformer *t, transformer_lanes *lanes, int place)
{
    const int lane = lanes->active[place];
    const int n_embd = t->shape.n_embd, half = t->shape.head_dim / 2;
    const int8_t *w = t->embedding + (size_t)lanes->last[lane] * (size_t)n_embd;
    const int64_t m = 127 * (int64_t)t->embedding_multiplier[lanes->last[lane]];
    int32_t *x = lanes->residual + (size_t)place * (size_t)n_embd;
    for (int i = 0; i < n_embd; i++) {
        int32_t v = w[i] < -127 ? -127 : w[i];
        x[i] = keep((v * m + (1 << 27)) >> 28);
    }
    for (int i = 0; i < half; i++) {
        const uint32_t phase = lanes->n_tokens[lane] * t->frequencies[i];
        lanes->cosines[(size_t)place * (size_t)half + (size_t)i] = (int16_t)cosine(phase);
        lanes->sines[(size_t)place * (size_t)half + (size_t)i] = (int16_t)cosine(phase - (1u << 30));
    }
}

/* Queries, keys and values of n lanes, into lanes->product (n, width). */
static void make_heads(const struct lmz_transformer *t, transformer_lanes *lanes, int layer, int n, rows_of *r, const team_member *me)
{
    const transformer_layer *l = &t->layers[layer];
    begin_rows(t, LMZ_PRODUCT_IN, &l->in, NULL, me, r);
    while (multiply(t, lanes, &l->in, n, r))
        for (int j = 0; j < n; j++) {
            int32_t *u = lanes->product + (size_t)j * (size_t)t->max_row + r->row;
            rescale(high_of(r, j), low_of(r, j, n), r->n_rows, lanes->factor[j], lanes->shift[j], u);
            for (int i = 0; l->has_bias && i < r->n_rows; i++)
                u[i] = keep((int64_t)u[i] + l->bias[r->row + i]);
        }
    team_meet(me);
}

/* Attention of n lanes in a layer. */
static void attend_all(const struct lmz_transformer *t, transformer_lanes *lanes, int layer, int n, const team_member *me)
{
    const int n_heads = t->shape.n_kv_head, end = team_share_end(me, n * n_heads);
    head_cache cache, next = {0};
    for (int i = team_share(me, n * n_heads), is_first = 1; i < end; i++, is_first = 0) {
        cache = is_first ? cache_of(t, lanes, i / n_heads, layer, i % n_heads) : next;
        cache_to_come to_come = {0};
        if (i + 1 < end) {
            next = cache_of(t, lanes, (i + 1) / n_heads, layer, (i + 1) % n_heads);
            const size_t size = matrix_size(t->packing, (size_t)next.n_seen, (size_t)t->shape.head_dim);
            to_come = (cache_to_come){next.keys, next.values, 0, 2 * (size / 64)};
        }
        attend_head(t, lanes, i / n_heads, i % n_heads, &cache, &to_come);
    }
    team_meet(me);
}

/* What the gates let through for n lanes, into lanes->product (n, width). */
static void make_hidden(const struct lmz_transformer *t, transformer_lanes *lanes, const transformer_layer *l, int n, rows_of *r,
                        const team_member *me)
{
    const int n_hidden = t->shape.n_hidden, n_in = l->up.n_in;
    const net_matrix gates = {n_in, n_hidden, l->up.packed, l->up.multiplier};
    const net_matrix others = {n_in, n_hidden, l->up.packed + matrix_size(t->packing, (size_t)n_hidden, (size_t)n_in),
                               l->up.multiplier + n_hidden};
    begin_rows(t, LMZ_PRODUCT_UP, &gates, NULL, me, &r[0]);
    begin_rows(t, LMZ_PRODUCT_UP, &others, &l->down, me, &r[1]);
    while (multiply(t, lanes, &gates, n, &r[0]) && multiply(t, lanes, &others, n, &r[1]))
        for (int j = 0; j < n; j++) {
            int32_t g[ROWS_AT_ONCE], u[ROWS_AT_ONCE];
            rescale(high_of(&r[0], j), low_of(&r[0], j, n), r->n_rows, lanes->factor[j], lanes->shift[j], g);
            rescale(high_of(&r[1], j), low_of(&r[1], j, n), r->n_rows, lanes->factor[j], lanes->shift[j], u);
            swiglu(g, u, r->n_rows, lanes->product + (size_t)j * (size_t)t->max_row + r->row);
        }
    team_meet(me);
}

/* Add what a product gives for n lanes to their residuals. */
static void add_product(const struct lmz_transformer *t, transformer_lanes *lanes, int which, const net_matrix *m, const net_matrix *next,
                        int n, rows_of *r, const team_member *me)
{
    begin_rows(t, which, m, next, me, r);
    while (multiply(t, lanes, m, n, r))
        for (int j = 0; j < n; j++)
            add_rescaled(high_of(r, j), low_of(r, j, n), r->n_rows, lanes->scales[j],
                         lanes->residual + (size_t)j * (size_t)t->shape.n_embd + r->row);
    team_meet(me);
}

/* Pack vectors of n lanes, `stride` numbers apart, for a product. */
static void pack_all(const struct lmz_transformer *t, transformer_lanes *lanes, int which, const int32_t *v, size_t stride, int n_in,
                     int n, const team_member *me)
{
    for (int j; (j = team_take(me)) < n;)
        lanes->scales[j] = pack_for(t, lanes, which, v + (size_t)j * stride, n_in, j, n);
    team_meet(me);
}

static void normalise_all(const struct lmz_transformer *t, transformer_lanes *lanes, int norm, int which, int n, const team_member *me)
{
    for (int j; (j = team_take(me)) < n;) {
        if (!norm)
            begin_lane(t, lanes, j);
        normalise(t, lanes, norm, which, j, n);
    }
    team_meet(me);
}

void TRANSFORMER_STEP(const struct lmz_transformer *t, transformer_lanes *lanes, int n, const team_member *me)
{
    const lmz_transformer_shape *s = &t->shape;
    const int attended = s->n_head * s->head_dim;
    rows_of r[2];
    for (int i = 0; i < s->n_layer; i++) {
        const transformer_layer *l = &t->layers[i];
        normalise_all(t, lanes, 2 * i, LMZ_PRODUCT_IN, n, me);
        make_heads(t, lanes, i, n, r, me);
        attend_all(t, lanes, i, n, me);
        pack_all(t, lanes, LMZ_PRODUCT_OUT, lanes->attended, (size_t)attended, attended, n, me);
        add_product(t, lanes, LMZ_PRODUCT_OUT, &l->out, &l->up, n, r, me);
        normalise_all(t, lanes, 2 * i + 1, LMZ_PRODUCT_UP, n, me);
        make_hidden(t, lanes, l, n, r, me);
        pack_all(t, lanes, LMZ_PRODUCT_DOWN, lanes->product, (size_t)t->max_row, s->n_hidden, n, me);
        add_product(t, lanes, LMZ_PRODUCT_DOWN, &l->down, i + 1 < s->n_layer ? &l[1].in : &t->head, n, r, me);
    }
    normalise_all(t, lanes, 2 * s->n_layer, LMZ_PRODUCT_HEAD, n, me);
    predict_tokens(t, lanes, n, r, me);
}
