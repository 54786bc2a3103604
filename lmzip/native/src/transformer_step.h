/* transformer_step.h - a team member's part of one step of a transformer for some lanes, compiled once per SIMD variant
   (ARITHMETIC 9). */
#include "transformer_attention.h"

/* Pack a vector of lane j for one of the products. */
static packed_scale pack_for(const step_part *p, int which, const int32_t *v, int n_in, int j)
{
    int8_t *at = p->lanes->quantised + (size_t)j * (size_t)n_in, *low = at + (size_t)p->n * (size_t)n_in;
    packed_scale s;
    if (p->lanes->wide >> which & 1) {
        s = pack15(v, n_in, at, low);
        p->lanes->bias[p->n + j] = BIAS_OF(low, n_in);
    } else
        s = pack8(v, n_in, at);
    p->lanes->bias[j] = BIAS_OF(at, n_in);
    return s;
}

/* Pack vectors of all lanes, `stride` numbers apart, for a product. */
static void pack_all(const step_part *p, int which, const int32_t *v, int stride, int n_in)
{
    for (int j = team_share(p->me, p->n), end = team_share_end(p->me, p->n); j < end; j++) {
        const int32_t *at = v + (size_t)j * (size_t)stride;
        if (j + 1 < end)
            fetch_vector(at + stride, n_in);
        p->lanes->scales[j] = pack_for(p, which, at, n_in, j);
    }
    team_meet(p->me);
}

/* Normalise the residual of lane j and pack it for a product: what that gives is to be scaled by the lane's factor and
   shift (ARITHMETIC 9.4). */
static void normalise(const step_part *p, int norm, int which, int j)
{
    const struct lmz_transformer *t = p->t;
    const int width = t->shape.n_embd;
    const int32_t *x = p->lanes->residual + (size_t)j * (size_t)width;
    int32_t *scratch = scratch_of(p);
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
    const packed_scale s = pack_for(p, which, scratch, width, j);
    const int places = 16 + t->norm_units[norm] - s.shift + e / 2;
    p->lanes->factor[j] = s.top * (root * t->norm_factor >> 31);
    p->lanes->shift[j] = places < 1 ? 1 : places > 62 ? 62 : places;
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

/* Take in a lane's last token: its embedding and its angles. */
static void begin_lane(const step_part *p, int place)
{
    const struct lmz_transformer *t = p->t;
    transformer_lanes *lanes = p->lanes;
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

static void normalise_all(const step_part *p, int norm, int which)
{
    for (int j = team_share(p->me, p->n), end = team_share_end(p->me, p->n); j < end; j++) {
        if (!norm)
            begin_lane(p, j);
        else if (j + 1 < end)
            fetch_vector(p->lanes->residual + (size_t)(j + 1) * (size_t)p->t->shape.n_embd, p->t->shape.n_embd);
        normalise(p, norm, which, j);
    }
    team_meet(p->me);
}

/* A member's rows of a matrix, some at a time, and what those give for the packed vectors of all lanes. */
typedef struct {
    int first, end; /* all its rows */
    int row, n_rows, is_wide;
    net_stream stream;
    int32_t *sums; /* (n, ROWS_AT_ONCE), or (2 n, ROWS_AT_ONCE) for vectors of 15 bits, the low parts behind the high ones */
} rows_of;

static const uint8_t *first_weights(const step_part *p, const net_matrix *m)
{
    const int first = team_share(p->me, m->n_out / NET_ROW_ALIGN) * NET_ROW_ALIGN;
    return m->packed + (size_t)matrix_size(p->t->packing, (size_t)first, (size_t)m->n_in);
}

/* Begin with a member's rows; next: the matrix whose rows come after these, or NULL. */
static void begin_rows(const step_part *p, int which, const net_matrix *m, const net_matrix *next, rows_of *r)
{
    r->first = team_share(p->me, m->n_out / NET_ROW_ALIGN) * NET_ROW_ALIGN;
    r->end = team_share_end(p->me, m->n_out / NET_ROW_ALIGN) * NET_ROW_ALIGN;
    r->row = r->first - ROWS_AT_ONCE;
    r->is_wide = p->lanes->wide >> which & 1;
    r->stream = (net_stream){first_weights(p, m), 0, (size_t)matrix_size(p->t->packing, (size_t)(r->end - r->first), (size_t)m->n_in),
                             next ? first_weights(p, next) : NULL};
}

/* Multiply the next rows with the packed vectors of all lanes; returns 0 if there are none. */
static int multiply(const step_part *p, const net_matrix *m, rows_of *r)
{
    r->row += ROWS_AT_ONCE;
    if (r->row >= r->end)
        return 0;
    r->n_rows = r->end - r->row < ROWS_AT_ONCE ? r->end - r->row : ROWS_AT_ONCE;
    r->stream.at = (size_t)matrix_size(p->t->packing, (size_t)(r->row - r->first), (size_t)m->n_in);
    const net_matrix part = {m->n_in, r->n_rows, r->stream.packed + r->stream.at, m->multiplier + r->row};
    product_biased(&part, p->lanes->quantised, r->is_wide ? 2 * p->n : p->n, r->sums, ROWS_AT_ONCE, p->lanes->bias, &r->stream);
    return 1;
}

/* What the rows gave for lane j, brought to units: the product with what was normalised, by this factor. */
static void rescale_rows(const step_part *p, const rows_of *r, int j, int64_t factor, int32_t *out)
{
    const int32_t *high = r->sums + (size_t)j * ROWS_AT_ONCE, *low = r->is_wide ? high + (size_t)p->n * ROWS_AT_ONCE : NULL;
    rescale(high, low, r->n_rows, factor, p->lanes->shift[j], out);
}

/* Queries, keys and values of all lanes, into lanes->product. */
static void make_heads(const step_part *p, const transformer_layer *l, rows_of *r)
{
    begin_rows(p, LMZ_PRODUCT_IN, &l->in, NULL, r);
    while (multiply(p, &l->in, r))
        for (int j = 0; j < p->n; j++) {
            int32_t *u = p->lanes->product + (size_t)j * (size_t)p->t->max_row + r->row;
            rescale_rows(p, r, j, p->lanes->factor[j], u);
            for (int i = 0; l->has_bias && i < r->n_rows; i++)
                u[i] = keep((int64_t)u[i] + l->bias[r->row + i]);
        }
    team_meet(p->me);
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
            wide v = wide_product(gates + first + i, at + i);
            v = wide_shift(wide_add(v, wide_of(1 << 14)), 15);
            v = wide_multiply_short(v, wide_load(others + first + i));
            wide_store(out + first + i, wide_shift(wide_add(v, wide_of(1 << 11)), 12), KEPT_LIMIT);
        }
    }
}

/* What the gates let through for all lanes, into lanes->product. */
static void make_hidden(const step_part *p, const transformer_layer *l, rows_of *r)
{
    const int n_hidden = p->t->shape.n_hidden, n_in = l->up.n_in;
    const size_t size = (size_t)matrix_size(p->t->packing, (size_t)n_hidden, (size_t)n_in);
    const net_matrix gates = {n_in, n_hidden, l->up.packed, l->up.multiplier};
    const net_matrix others = {n_in, n_hidden, l->up.packed + size, l->up.multiplier + n_hidden};
    begin_rows(p, LMZ_PRODUCT_UP, &gates, NULL, &r[0]);
    begin_rows(p, LMZ_PRODUCT_UP, &others, &l->down, &r[1]);
    while (multiply(p, &gates, &r[0]) && multiply(p, &others, &r[1]))
        for (int j = 0; j < p->n; j++) {
            int32_t g[ROWS_AT_ONCE], u[ROWS_AT_ONCE];
            rescale_rows(p, &r[0], j, p->lanes->factor[j], g);
            rescale_rows(p, &r[1], j, p->lanes->factor[j], u);
            swiglu(g, u, r->n_rows, p->lanes->product + (size_t)j * (size_t)p->t->max_row + r->row);
        }
    team_meet(p->me);
}

/* Add what a product gives for all lanes to their residuals. */
static void add_product(const step_part *p, int which, const net_matrix *m, const net_matrix *next, rows_of *r)
{
    begin_rows(p, which, m, next, r);
    while (multiply(p, m, r))
        for (int j = 0; j < p->n; j++) {
            const int32_t *high = r->sums + (size_t)j * ROWS_AT_ONCE, *low = r->is_wide ? high + (size_t)p->n * ROWS_AT_ONCE : NULL;
            int32_t *x = p->lanes->residual + (size_t)j * (size_t)p->t->shape.n_embd + r->row;
            add_rescaled(high, low, r->n_rows, p->lanes->scales[j], x);
        }
    team_meet(p->me);
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

/* The logits of all lanes and their exponentials. */
static void predict_tokens(const step_part *p, rows_of *r)
{
    const size_t n_vocab = (size_t)whole_tiles(p->t->shape.n_vocab);
    begin_rows(p, LMZ_PRODUCT_HEAD, &p->t->head, NULL, r);
    while (multiply(p, &p->t->head, r))
        for (int j = 0; j < p->n; j++)
            rescale_rows(p, r, j, p->lanes->factor[j] * 94548 >> 16, p->lanes->logits + (size_t)j * n_vocab + r->row);
    team_meet(p->me);
    for (int j; (j = team_take(p->me)) < p->n;) {
        exponentials(p->lanes->logits + (size_t)j * n_vocab, p->t->shape.n_vocab);
        if (p->then)
            p->then(p->argument, j);
    }
    team_meet(p->me);
}

void TRANSFORMER_STEP(const step_part *p)
{
    const lmz_transformer_shape *s = &p->t->shape;
    const int attended = s->n_head * s->head_dim;
    rows_of r[2] = {{.sums = scratch_of(p)}, {.sums = scratch_of(p) + sums_size(p->n)}};
    for (int i = 0; i < s->n_layer; i++) {
        const transformer_layer *l = &p->t->layers[i];
        normalise_all(p, 2 * i, LMZ_PRODUCT_IN);
        make_heads(p, l, r);
        attend_all(p, i);
        pack_all(p, LMZ_PRODUCT_OUT, p->lanes->attended, attended, attended);
        add_product(p, LMZ_PRODUCT_OUT, &l->out, &l->up, r);
        normalise_all(p, 2 * i + 1, LMZ_PRODUCT_UP);
        make_hidden(p, l, r);
        pack_all(p, LMZ_PRODUCT_DOWN, p->lanes->product, p->t->max_row, s->n_hidden);
        add_product(p, LMZ_PRODUCT_DOWN, &l->down, i + 1 < s->n_layer ? &l[1].in : &p->t->head, r);
    }
    normalise_all(p, 2 * s->n_layer, LMZ_PRODUCT_HEAD);
    predict_tokens(p, r);
}
