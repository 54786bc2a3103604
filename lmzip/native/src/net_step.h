/* net_step.h - one step of the byte-level net for some lanes, compiled once per SIMD variant (ARITHMETIC 8). */
#include "net_product.h"
#include "probability.h"

/* The row of each table that a lane's last eight bytes select: contexts of `order` bytes, 0 for the current word. */
static uint32_t table_row(uint64_t history, int order, int table_bits)
{
    uint64_t key;
    if (order) {
        key = order < 8 ? history & (((uint64_t)1 << 8 * order) - 1) : history;
        if (order == 2)
            return (uint32_t)key;
    } else {
        int n = 0;
        for (uint64_t rest = history; n < 7; n++, rest >>= 8) {
            uint32_t byte = rest & 255, lower = byte | 32;
            if (byte < 128 && lower - 'a' >= 26)
                break;
        }
        key = (history | 0x2020202020202020u) & (((uint64_t)1 << 8 * n) - 1);
    }
    return (uint32_t)((key + (uint64_t)order) * 0x9E3779B97F4A7C15u >> (64 - table_bits));
}

/* The embeddings of a lane's last byte and of its hashed contexts, end to end. */
static void embed(const struct lmz_net *net, uint64_t history, int8_t *q)
{
    const lmz_net_shape *s = &net->shape;
    memcpy(q, net->byte_embedding + (size_t)(history & 255) * (size_t)s->byte_dim, (size_t)s->byte_dim);
    int8_t *at = q + s->byte_dim;
    for (int i = 0; i < s->n_orders; i++, at += s->table_dim) {
        size_t row = ((size_t)i << s->table_bits) + table_row(history, s->orders[i], s->table_bits);
        memcpy(at, net->tables + row * (size_t)s->table_dim, (size_t)s->table_dim);
    }
    for (int i = 0; i < net->n_input; i += 32)
        for (int k = 0; k < 32; k++)
            q[i + k] = q[i + k] < -127 ? -127 : q[i + k];
}

/* Scale n numbers to a root mean square of NET_NORM_UNIT and round to -127 .. 127; factor: round(24 sqrt(n) 2^9).
   Products of 32 bits suffice, as numbers are first brought to 16, the largest just so. */
static void norm_int8(const int32_t *x, int n, int factor, int8_t *q)
{
    int32_t max = 0;
    for (int i = 0; i < n; i++) {
        int32_t v = x[i] < 0 ? -x[i] : x[i];
        max = v > max ? v : max;
    }
    const int bits = max ? 32 - __builtin_clz((uint32_t)max) : 15, up = bits < 15 ? 15 - bits : 0, down = bits + up - 15;
    uint32_t low = 0, high = 0; /* halves of the squares: widening each would cost more */
    for (int i = 0; i < n; i++) {
        int32_t v = (int32_t)((uint32_t)x[i] << up) >> down;
        uint32_t square = (uint32_t)(v * v);
        low += square & 65535;
        high += square >> 16;
    }
    const uint64_t sum = ((uint64_t)n << 2 * up) + ((uint64_t)high << 16) + low;
    int e = (63 - __builtin_clzll(sum)) & ~1; /* sum = m / 2^30 * 2^e, 2^30 <= m < 2^32 */
    uint32_t m = (uint32_t)(e >= 30 ? sum >> (e - 30) : sum << (30 - e));
    uint32_t at = (m >> 24) - 64, f = m >> 8 & 65535;
    uint64_t root = lmz_rsqrt_table[at] - ((uint64_t)(lmz_rsqrt_table[at] - lmz_rsqrt_table[at + 1]) * f >> 16);
    uint64_t scale = (root * (uint64_t)factor + ((uint64_t)1 << (19 + e / 2))) >> (20 + e / 2);
    const int32_t r = scale > 32767 ? 32767 : (int32_t)scale;
    for (int i = 0; i < n; i++)
        q[i] = (int8_t)clamp((((int32_t)((uint32_t)x[i] << up) >> down) * r + (1 << 19)) >> 20, 127);
}

/* The piecewise quadratic sigmoid of u (1.0 = 2^12) in units of 2^-14: 0 below -4, 2^14 above 4. */
static inline int32_t gate_sigmoid(int32_t u)
{
    int32_t v = clamp(u, 1 << 14), r = (1 << 14) - (v < 0 ? -v : v), s = (r * r + (1 << 14)) >> 15;
    return v < 0 ? s : (1 << 14) - s;
}

/* The recurrence of a lane: u (3 n) candidates, forget gates, output gates; y (n) may be u. */
static void recur(const net_layer *layer, int n, const int32_t *u, int32_t *state, int32_t *y)
{
    for (int i = 0; i < n; i++) {
        int32_t z = clamp(u[i], 32767), g = gate_sigmoid(-(u[n + i] + layer->forget_bias[i])), o = gate_sigmoid(u[2 * n + i]);
        int32_t distance = (z * 256 - state[i] + 128) >> 8;
        int32_t h = state[i] + ((distance * g + 32) >> 6);
        state[i] = h;
        y[i] = (((h + 128) >> 8) * o + (1 << 13)) >> 14;
    }
}

static void square_int8(const int32_t *u, int n, int8_t *q)
{
    for (int i = 0; i < n; i++) {
        int32_t a = u[i] < 0 ? 0 : u[i] > 1 << 14 ? 1 << 14 : u[i], v = (a * a + (1 << 19)) >> 20;
        q[i] = (int8_t)(v > 127 ? 127 : v);
    }
}

static void sum_pairs(const uint32_t *restrict x, int n, uint32_t *restrict sums)
{
    for (int i = 0; i < n; i++)
        sums[i] = x[2 * i] + x[2 * i + 1];
}

/* Exponentials of logits (units of 1/4096 octave) as the leaves of the tree, and the sums of its nodes; tree[0] is
   the first byte of the greatest logit. */
static void sum_tree(const int32_t *logits, uint32_t *tree)
{
    int32_t max = logits[0];
    for (int i = 1; i < 256; i++)
        max = logits[i] > max ? logits[i] : max;
    for (int i = 0; i < 256; i++) {
        int32_t x = max - logits[i];
        x = x > 30 << 12 ? 30 << 12 : x;
        int32_t f = x & 4095;
        int32_t p = (1 << 18) - ((f * (181252 - ((f * (60439 - ((f * 10259) >> 12))) >> 12))) >> 12);
        uint32_t e = (uint32_t)(p << 4) >> (x >> 12);
        tree[256 + i] = e ? e : 1;
    }
    for (int n = 128; n; n >>= 1)
        sum_pairs(tree + 2 * n, n, tree + n);
    int top = 255;
    for (int i = 0; i < 256; i++) {
        int at = logits[i] == max ? i : 255;
        top = at < top ? at : top;
    }
    tree[0] = (uint32_t)top;
}

static void add_to(int32_t *x, const int32_t *y, int n)
{
    for (int i = 0; i < n; i++)
        x[i] += y[i];
}

/* Take n lanes from the first on from the bytes before to the residual stream behind the last layer. */
void NET_PART(hidden)(const struct lmz_net *net, net_lanes *lanes, int first, int n)
{
    const lmz_net_shape *s = &net->shape;
    const size_t width = (size_t)net->max_row, n_embd = (size_t)s->n_embd, n_state = (size_t)s->n_state;
    int32_t *residual = lanes->residual + (size_t)first * n_embd, *out = lanes->product + (size_t)first * width;
    int8_t *q = lanes->quantised + (size_t)first * width;
    for (int j = 0; j < n; j++)
        embed(net, *lanes->history[first + j], q + (size_t)j * (size_t)net->n_input);
    product(&net->embed, q, n, residual, n_embd);
    for (int l = 0; l < s->n_layer; l++) {
        const net_layer *layer = &net->layers[l];
        for (int j = 0; j < n; j++)
            norm_int8(residual + (size_t)j * n_embd, s->n_embd, net->norm_factor_embd, q + (size_t)j * n_embd);
        product(&layer->in, q, n, out, width);
        for (int j = 0; j < n; j++) {
            int32_t *u = out + (size_t)j * width;
            recur(layer, s->n_state, u, lanes->state + ((size_t)(first + j) * (size_t)s->n_layer + (size_t)l) * n_state, u);
            norm_int8(u, s->n_state, net->norm_factor_state, q + (size_t)j * n_state);
        }
        product(&layer->out, q, n, out, width);
        for (int j = 0; j < n; j++) {
            add_to(residual + (size_t)j * n_embd, out + (size_t)j * width, s->n_embd);
            norm_int8(residual + (size_t)j * n_embd, s->n_embd, net->norm_factor_embd, q + (size_t)j * n_embd);
        }
        product(&layer->up, q, n, out, width);
        for (int j = 0; j < n; j++)
            square_int8(out + (size_t)j * width, s->n_hidden, q + (size_t)j * (size_t)s->n_hidden);
        product(&layer->down, q, n, out, width);
        for (int j = 0; j < n; j++)
            add_to(residual + (size_t)j * n_embd, out + (size_t)j * width, s->n_embd);
    }
}

/* Predict the next byte of n lanes from the first on, whose hidden part is done: leaves their trees. */
void NET_PART(output)(const struct lmz_net *net, net_lanes *lanes, int first, int n)
{
    const size_t width = (size_t)net->max_row, n_embd = (size_t)net->shape.n_embd;
    const int32_t *residual = lanes->residual + (size_t)first * n_embd;
    int32_t *out = lanes->product + (size_t)first * width;
    int8_t *q = lanes->quantised + (size_t)first * width;
    for (int j = 0; j < n; j++)
        norm_int8(residual + (size_t)j * n_embd, net->shape.n_embd, net->norm_factor_embd, q + (size_t)j * n_embd);
    product(&net->head, q, n, out, width);
    for (int j = 0; j < n; j++)
        sum_tree(out + (size_t)j * width, lanes->tree + (size_t)(first + j) * 512);
}
