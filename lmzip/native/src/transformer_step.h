/* transformer_step.h - one step of a transformer for some lanes, compiled once per SIMD variant (ARITHMETIC 9). */
#include "net_product.h"
#include "probability.h"
#include "transformer.h"

typedef struct { /* v is near q * top / 127 * 2^shift */
    int32_t top, shift;
} packed_scale;

static inline int32_t keep(int64_t v) { return (int32_t)(v > KEPT_LIMIT ? KEPT_LIMIT : v < -KEPT_LIMIT ? -KEPT_LIMIT : v); }

/* (v * a + half) >> n, kept (ARITHMETIC 9.1). */
static inline int32_t scale(int64_t v, int64_t a, int n)
{
    return keep(n > 0 ? (v * a + ((int64_t)1 << (n - 1))) >> n : v * a * ((int64_t)1 << -n));
}

static int bits_of(uint64_t n) { return n ? 64 - __builtin_clzll(n) : 0; }

static int32_t largest(const int32_t *v, int n)
{
    int32_t max = 0;
    for (int i = 0; i < n; i++) {
        int32_t a = v[i] < 0 ? -v[i] : v[i];
        max = a > max ? a : max;
    }
    return max;
}

static inline int32_t shifted(int32_t v, int up, int down) { return (int32_t)((uint32_t)v << up) >> down; }

/* How to shift n numbers so that the largest has `bits` bits; the shift is down - up. */
static void find_shift(const int32_t *v, int n, int bits, int *up, int *down)
{
    const int32_t max = largest(v, n);
    const int shift = max ? bits_of((uint64_t)max) - bits : 0;
    *up = shift < 0 ? -shift : 0;
    *down = shift > 0 ? shift : 0;
}

static packed_scale pack8(const int32_t *v, int n, int8_t *q)
{
    int up, down;
    find_shift(v, n, 15, &up, &down);
    int32_t top = 1;
    for (int i = 0; i < n; i++) {
        int32_t a = shifted(v[i], up, down);
        a = a < 0 ? -a : a;
        top = a > top ? a : top;
    }
    const int32_t r = (127 << 24) / top;
    for (int i = 0; i < n; i++)
        q[i] = (int8_t)((shifted(v[i], up, down) * r + (1 << 23)) >> 24);
    return (packed_scale){top, down - up};
}

static packed_scale pack15(const int32_t *v, int n, int8_t *high, int8_t *low)
{
    int up, down;
    find_shift(v, n, 14, &up, &down);
    for (int i = 0; i < n; i++) {
        int32_t w = clamp(shifted(v[i], up, down), 16319), h = (w + 64) >> 7;
        high[i] = (int8_t)h;
        low[i] = (int8_t)(w - 128 * h);
    }
    return (packed_scale){127, down - up};
}

/* Pack a vector for one of the products; lane j of n. */
static packed_scale pack_for(const struct lmz_transformer *t, int which, const int32_t *v, int n_in, int8_t *q, int j, int n)
{
    int8_t *at = q + (size_t)j * (size_t)n_in;
    return t->shape.wide >> which & 1 ? pack15(v, n_in, at, at + (size_t)n * (size_t)n_in) : pack8(v, n_in, at);
}

/* The product of a matrix with n packed vectors: out (n, width), or (2 n, width) for vectors of 15 bits. */
static void product_packed(const struct lmz_transformer *t, int which, const net_matrix *m, const int8_t *q, int n, int32_t *out,
                           size_t width)
{
    product(m, q, t->shape.wide >> which & 1 ? 2 * n : n, out, width);
}

/* What the product gave for lane j of n, row r: of vectors of 15 bits both parts. */
#define PRODUCT(r) (low ? 128 * (int64_t)high[r] + low[r] : high[r])

/* Bring a lane's product to units: y[r] = product * a >> shift. */
static void rescale(const int32_t *high, const int32_t *low, int n, int64_t a, int shift, int32_t *y)
{
    if (low)
        for (int r = 0; r < n; r++)
            y[r] = scale(128 * (int64_t)high[r] + low[r], a, shift);
    else if (shift > 0) {
        const int64_t half = (int64_t)1 << (shift - 1);
        for (int r = 0; r < n; r++) {
            int64_t v = (high[r] * a + half) >> shift;
            y[r] = keep(v);
        }
    } else
        for (int r = 0; r < n; r++)
            y[r] = scale(high[r], a, shift);
}

static void add_rescaled(const int32_t *high, const int32_t *low, int n, packed_scale s, int32_t *x)
{
    const int shift = 16 - s.shift;
    for (int r = 0; r < n; r++)
        x[r] = keep((int64_t)x[r] + scale(PRODUCT(r), s.top, shift));
}

/* Normalise x and pack it for a product: what that gives is to be scaled by *factor and *shift (ARITHMETIC 9.4). */
static void normalise(const struct lmz_transformer *t, int norm, int which, const int32_t *x, int8_t *q, int j, int n,
                      int32_t *scratch, int64_t *factor, int32_t *shift)
{
    const int width = t->shape.n_embd;
    const int16_t *g = t->norms + (size_t)norm * (size_t)width;
    int up, down;
    find_shift(x, width, 15, &up, &down);
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
    const packed_scale s = pack_for(t, which, scratch, width, q, j, n);
    const int places = 16 + t->norm_units[norm] - s.shift + e / 2;
    *factor = s.top * (root * t->norm_factor >> 31);
    *shift = places < 1 ? 1 : places > 62 ? 62 : places;
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
    find_shift(v, n, 15, &up, &down);
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

/* Take in the key and the value of a token. */
static void remember(const struct lmz_transformer *t, head_cache *cache, uint32_t token, const int8_t *key, packed_scale key_scale,
                     const int8_t *value, packed_scale value_scale)
{
    const uint32_t window = (uint32_t)t->shape.window;
    const int dim = t->shape.head_dim;
    const int slot = (int)(token < window ? token : N_KEPT + (token - N_KEPT) % (window - N_KEPT));
    uint8_t *block = cache->values + matrix_size(t->packing, (size_t)(slot / VALUE_BLOCK * VALUE_BLOCK), (size_t)dim);
    for (int k = 0; k < dim; k++) {
        matrix_put(t->packing, cache->keys, dim, slot, k, key[k]);
        matrix_put(t->packing, block, VALUE_BLOCK, k, slot % VALUE_BLOCK, value[k]);
    }
    cache->key_multiplier[slot] = size_of(key_scale) * 256;
    cache->value_size[slot] = size_of(value_scale);
}

/* From scores (n) to weights: parts of 8 bits into high and low, by blocks.  Returns what sums are scaled by. */
static void softmax(int32_t *scores, int n, const int32_t *size, int8_t *high, int8_t *low, size_t block_stride, int64_t *inverse,
                    int *shift)
{
    int32_t max = scores[0];
    for (int i = 1; i < n; i++)
        max = scores[i] > max ? scores[i] : max;
    uint64_t total = 0, weighted = 0, heaviest = 0;
    for (int i = 0; i < n; i++) {
        int32_t x = max - scores[i];
        x = x > 30 << 12 ? 30 << 12 : x;
        scores[i] = (power(x) << 4) >> (x >> 12);
        total += (uint32_t)scores[i];
        uint64_t b = (uint64_t)(uint32_t)scores[i] * (uint32_t)size[i];
        weighted += b;
        heaviest = b > heaviest ? b : heaviest;
    }
    int places = bits_of(heaviest) - 14, by_sum = bits_of(weighted) - 24;
    places = places < by_sum ? by_sum : places;
    places = places < 0 ? 0 : places;
    const uint64_t half = ((uint64_t)1 << places) >> 1;
    for (int start = 0; start < n; start += VALUE_BLOCK, high += block_stride, low += block_stride) {
        const int end = n - start < VALUE_BLOCK ? n - start : VALUE_BLOCK;
        for (int i = 0; i < end; i++) {
            int32_t w = (int32_t)(((uint64_t)(uint32_t)scores[start + i] * (uint32_t)size[start + i] + half) >> places);
            w = w > 16319 ? 16319 : w;
            int32_t h = (w + 64) >> 7;
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

/* The queries (group, dim) of one head of keys: what they attend to, into out (group, dim). */
static void attend(const struct lmz_transformer *t, const head_cache *cache, const int8_t *queries, const packed_scale *scales,
                   int group, int32_t *scratch, const int32_t *unit_multiplier, int32_t *out)
{
    const int dim = t->shape.head_dim, n = cache->n_seen, n_blocks = (n + VALUE_BLOCK - 1) / VALUE_BLOCK;
    const size_t window = (size_t)t->shape.window, block_stride = 2 * (size_t)group * VALUE_BLOCK;
    int32_t *scores = scratch, *sums = scores + (size_t)group * window; /* (group, window); (2 group, dim) */
    int8_t *weights = (int8_t *)(sums + 4 * (size_t)group * (size_t)dim); /* (blocks, 2 group, VALUE_BLOCK) */
    int32_t *totals = sums + 2 * (size_t)group * (size_t)dim;           /* (group, dim) */
    const net_matrix keys = {dim, whole_tiles(n), cache->keys, cache->key_multiplier};
    int64_t inverse[128];
    int shift[128];
    product(&keys, queries, group, scores, window);
    for (int h = 0; h < group; h++) {
        int32_t *row = scores + (size_t)h * window;
        const int32_t a = (int32_t)(scales[h].top * t->shape.scale_of_scores >> 12); /* of 32 bits, for a product of such */
        const int places = 20 - scales[h].shift;
        const int64_t half = (int64_t)1 << (places - 1);
        for (int i = 0; i < n; i++) {
            int64_t v = ((int64_t)row[i] * a + half) >> places;
            row[i] = (int32_t)(v > 1 << 29 ? 1 << 29 : v < -(1 << 29) ? -(1 << 29) : v);
        }
        int8_t *high = weights + (size_t)h * VALUE_BLOCK;
        softmax(row, n, cache->value_size, high, high + (size_t)group * VALUE_BLOCK, block_stride, &inverse[h], &shift[h]);
    }
    memset(totals, 0, (size_t)group * (size_t)dim * sizeof *totals);
    for (int b = 0; b < n_blocks; b++) {
        const net_matrix values = {VALUE_BLOCK, dim, cache->values + matrix_size(t->packing, (size_t)b * VALUE_BLOCK, (size_t)dim),
                                   unit_multiplier};
        product(&values, weights + (size_t)b * block_stride, 2 * group, sums, (size_t)dim);
        for (int i = 0; i < group * dim; i++)
            totals[i] += 128 * sums[i] + sums[group * dim + i];
    }
    for (int h = 0; h < group; h++)
        for (int i = 0; i < dim; i++)
            out[h * dim + i] = scale(totals[h * dim + i], inverse[h], shift[h]);
}

/* Attention of one lane in one layer: qkv (rows of in) -> out (n_head * head_dim). */
static void attend_lane(const struct lmz_transformer *t, transformer_lanes *lanes, int place, int layer, int32_t *qkv, int32_t *scratch,
                        const int32_t *unit_multiplier, int32_t *out)
{
    const lmz_transformer_shape *s = &t->shape;
    const int dim = s->head_dim, group = s->n_head / s->n_kv_head;
    const size_t half = (size_t)dim / 2, window = (size_t)s->window;
    const int lane = lanes->active[place];
    const int16_t *cosines = lanes->cosines + (size_t)place * half, *sines = lanes->sines + (size_t)place * half;
    const uint32_t token = lanes->n_tokens[lane];
    int8_t key[256], value[256], queries[8192];
    packed_scale scales[128];
    for (int h = 0; h < s->n_kv_head; h++) {
        const size_t at = (((size_t)lane * (size_t)s->n_layer + (size_t)layer) * (size_t)s->n_kv_head + (size_t)h) * window;
        const size_t bytes = matrix_size(t->packing, at, (size_t)dim);
        head_cache cache = {lanes->keys + bytes, lanes->values + bytes, lanes->key_multiplier + at, lanes->value_size + at,
                            token + 1 < (uint32_t)window ? (int)token + 1 : (int)window};
        int32_t *k = qkv + (size_t)(s->n_head + h) * (size_t)dim, *v = k + (size_t)s->n_kv_head * (size_t)dim;
        const packed_scale key_scale = rotate(k, dim, cosines, sines, key), value_scale = pack8(v, dim, value);
        remember(t, &cache, token, key, key_scale, value, value_scale);
        for (int i = 0; i < group; i++)
            scales[i] = rotate(qkv + (size_t)(h * group + i) * (size_t)dim, dim, cosines, sines, queries + (size_t)(i * dim));
        attend(t, &cache, queries, scales, group, scratch, unit_multiplier, out + (size_t)(h * group) * (size_t)dim);
    }
}

static inline int64_t sigmoid(int32_t g)
{
    const uint32_t size = (uint32_t)(g < 0 ? -g : g), at = size >> 6;
    int32_t s = 1 << 15;
    if (at < 1024)
        s = lmz_sigmoid_table[at] + (((lmz_sigmoid_table[at + 1] - lmz_sigmoid_table[at]) * (int32_t)(size & 63) + 32) >> 6);
    return g < 0 ? (1 << 15) - s : s;
}

/* Gates and others (2 n) to n activations, in place. */
static void swiglu(int32_t *v, int n)
{
    for (int i = 0; i < n; i++) {
        const int32_t g = v[i];
        v[i] = keep(((((g * sigmoid(g) + (1 << 14)) >> 15) * v[n + i]) + (1 << 11)) >> 12);
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

/* The logits of n lanes, some rows of the head at a time, and their exponentials. */
static void predict_tokens(const struct lmz_transformer *t, transformer_lanes *lanes, int first, int n, const int8_t *q, int32_t *out)
{
    const size_t width = (size_t)t->max_row, n_vocab = (size_t)whole_tiles(t->shape.n_vocab), n_in = (size_t)t->shape.n_embd;
    const int rows_at_once = t->max_row / 64 * 64, wide = t->shape.wide >> LMZ_PRODUCT_HEAD & 1;
    int32_t *logits = lanes->logits + (size_t)first * n_vocab;
    for (int row = 0; row < t->head.n_out; row += rows_at_once) {
        const int n_rows = t->head.n_out - row < rows_at_once ? t->head.n_out - row : rows_at_once;
        const net_matrix part = {t->head.n_in, n_rows, t->head.packed + matrix_size(t->packing, (size_t)row, n_in),
                                 t->head.multiplier + row};
        product_packed(t, LMZ_PRODUCT_HEAD, &part, q, n, out, width);
        for (int j = 0; j < n; j++) {
            const int64_t octaves = lanes->factor[first + j] * 94548 >> 16;
            const int32_t *high = out + (size_t)j * width;
            rescale(high, wide ? high + (size_t)n * width : NULL, n_rows, octaves, lanes->shift[first + j],
                    logits + (size_t)j * n_vocab + row);
        }
    }
    for (int j = 0; j < n; j++)
        exponentials(logits + (size_t)j * n_vocab, t->shape.n_vocab);
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

void TRANSFORMER_STEP(const struct lmz_transformer *t, transformer_lanes *lanes, int first, int n)
{
    const lmz_transformer_shape *s = &t->shape;
    const size_t width = (size_t)t->max_row, n_embd = (size_t)s->n_embd, attended = (size_t)(s->n_head * s->head_dim);
    int32_t *x = lanes->residual + (size_t)first * n_embd, *out = lanes->product + 2 * (size_t)first * width;
    int32_t *heads = lanes->attended + (size_t)first * attended, *scratch = lanes->scratch + (size_t)first * lanes->scratch_size;
    int8_t *q = lanes->quantised + 2 * (size_t)first * width;
    packed_scale scales[LMZ_MAX_LANES];
    int32_t unit_multiplier[256];
    for (int i = 0; i < s->head_dim; i++)
        unit_multiplier[i] = 1 << NET_SCALE_BITS;
#define LOW(which, j) (s->wide >> (which) & 1 ? out + (size_t)(n + (j)) * width : NULL)
    for (int j = 0; j < n; j++)
        begin_lane(t, lanes, first + j);
    for (int l = 0; l < s->n_layer; l++) {
        const transformer_layer *layer = &t->layers[l];
        for (int j = 0; j < n; j++)
            normalise(t, 2 * l, LMZ_PRODUCT_IN, x + (size_t)j * n_embd, q, j, n, scratch, &lanes->factor[first + j],
                      &lanes->shift[first + j]);
        product_packed(t, LMZ_PRODUCT_IN, &layer->in, q, n, out, width);
        for (int j = 0; j < n; j++) {
            int32_t *u = out + (size_t)j * width;
            rescale(u, LOW(LMZ_PRODUCT_IN, j), t->n_in_rows, lanes->factor[first + j], lanes->shift[first + j], u);
            for (int i = 0; layer->has_bias && i < t->n_in_rows; i++)
                u[i] = keep((int64_t)u[i] + layer->bias[i]);
            attend_lane(t, lanes, first + j, l, u, scratch, unit_multiplier, heads + (size_t)j * attended);
        }
        for (int j = 0; j < n; j++)
            scales[j] = pack_for(t, LMZ_PRODUCT_OUT, heads + (size_t)j * attended, (int)attended, q, j, n);
        product_packed(t, LMZ_PRODUCT_OUT, &layer->out, q, n, out, width);
        for (int j = 0; j < n; j++) {
            add_rescaled(out + (size_t)j * width, LOW(LMZ_PRODUCT_OUT, j), s->n_embd, scales[j], x + (size_t)j * n_embd);
            normalise(t, 2 * l + 1, LMZ_PRODUCT_UP, x + (size_t)j * n_embd, q, j, n, scratch, &lanes->factor[first + j],
                      &lanes->shift[first + j]);
        }
        product_packed(t, LMZ_PRODUCT_UP, &layer->up, q, n, out, width);
        for (int j = 0; j < n; j++) {
            int32_t *u = out + (size_t)j * width;
            rescale(u, LOW(LMZ_PRODUCT_UP, j), 2 * s->n_hidden, lanes->factor[first + j], lanes->shift[first + j], u);
            swiglu(u, s->n_hidden);
            scales[j] = pack_for(t, LMZ_PRODUCT_DOWN, u, s->n_hidden, q, j, n);
        }
        product_packed(t, LMZ_PRODUCT_DOWN, &layer->down, q, n, out, width);
        for (int j = 0; j < n; j++)
            add_rescaled(out + (size_t)j * width, LOW(LMZ_PRODUCT_DOWN, j), s->n_embd, scales[j], x + (size_t)j * n_embd);
    }
    for (int j = 0; j < n; j++) {
        normalise(t, 2 * s->n_layer, LMZ_PRODUCT_HEAD, x + (size_t)j * n_embd, q, j, n, scratch, &lanes->factor[first + j],
                  &lanes->shift[first + j]);
        lanes->n_tokens[lanes->active[first + j]]++;
    }
    predict_tokens(t, lanes, first, n, q, out);
#undef LOW
}
