/* samples_base.c - the memory of the samples base and its initial values (SAMPLES 2). */
#include "samples_base.h"

#include "float_sample.h"
#include "internal.h"
#include "linear_prediction.h"

const sound_shape sound_shapes[] = {
    {32, 1, {{31, {4, 40}, 1}}, 1, {16}},
    {32, 2, {{31, {4, 40}, 1}, {15, {3, 40}, 1}}, 2, {256, 16}},
    {48, 3, {{47, {5, 6}, 1}, {15, {3, 40}, 1}, {31, {7, 40}, 4}}, 3, {1024, 256, 16}},
};
static const int8_t shape_of_profile[] = {0, 1, 1, 2, 2, 2};
#define N_SOUND_PROFILES ((int)(sizeof shape_of_profile / sizeof *shape_of_profile))

static const depth_shape depth_shapes[] = {
    /* depth, drop, fraction, input_bits, blend_drop, root_shift, quiet, ridge, gram_shift */
    {8, 0, 12, 8, 4, 0, 1024, 16, 10},
    {16, 0, 12, 2, 8, 0, 4096, 64, 20},
    {24, 0, 6, -6, 4, 7, 512, 64, 20},
    {32, 8, 6, -6, 4, 7, 512, 64, 20},
};
#define N_DEPTHS ((int)(sizeof depth_shapes / sizeof *depth_shapes))

static const depth_shape *depth_shape_of(int depth)
{
    for (int i = 0; i < N_DEPTHS; i++)
        if (depth_shapes[i].depth == depth)
            return &depth_shapes[i];
    return NULL;
}

static int samples_function(const lmz_block_spec *spec, const lmz_expert *expert)
{
    const lmz_content *content = &spec->content;
    const int flags = content->flags, known = LMZ_BIG_ENDIAN | (flags & LMZ_FLOAT ? LMZ_FLOAT : LMZ_SIGNED);
    if (expert || spec->n_lanes != 1 || spec->profile < 1 || spec->profile > N_SOUND_PROFILES || content->width ||
        content->channels < 1 || content->channels > MAX_CHANNELS || !depth_shape_of(content->depth) ||
        flags & ~known || (flags & LMZ_FLOAT && content->depth != 32) || content->offset < 0)
        return -1;
    return shape_of_profile[spec->profile - 1];
}

static void samples_layout(struct lmz_coder *c)
{
    const size_t n_channels = (size_t)c->spec.content.channels;
    samples_state *s = c->base_state = arena_take(&c->memory, sizeof *s);
    factoring *space = arena_take(&c->memory, sizeof *space);
    plain_state *plain = arena_take(&c->memory, sizeof *plain);
    channel_state *channels = arena_take(&c->memory, n_channels * sizeof *channels);
    for (size_t i = 0; i < n_channels && c->spec.content.depth == 8; i++) {
        void *cells = arena_take(&c->memory, sizeof(uint32_t[N_BYTE_CELLS][65536]));
        if (channels)
            channels[i].byte_cells = cells;
    }
    if (s) {
        s->factoring = space;
        s->plain = plain;
        s->channels = channels;
    }
}

/* How many moments before the present one the channel's own value of a row is; -1 for other channels'. */
static int age_of_row(const samples_state *s, int i)
{
    return i == s->shape->n_rows - 1 ? 0 : s->is_mono ? i + 1 : i % 3 == 2 ? -1 : i - i / 3 + 1;
}

static void start_linear(const samples_state *s, linear_prediction *p, int n_taps)
{
    const int n_rows = s->shape->n_rows;
    for (int i = 0; i < n_rows; i++)
        for (int j = i; j < n_rows; j++) {
            const int a = age_of_row(s, i), b = age_of_row(s, j);
            const int is_known = i == j || (a >= 0 && b >= 0);
            const int64_t product = is_known ? sample_prior.products[i == j ? 0 : a > b ? a - b : b - a] : 0;
            p->gram[i * n_rows + j] = product * ((int64_t)1 << s->depth->gram_shift);
        }
    solve_linear(s->factoring, p, n_rows, n_taps, 0);
}

static void start_cells(uint32_t *cells, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cells[i] = 1u << 31;
}

static void start_channel(const samples_state *s, channel_state *k)
{
    const int is_byte = s->depth->depth == 8, n_inputs = is_byte ? MAX_SAMPLE_INPUTS : N_LANES_OF_DENSITIES;
    const int32_t *weights = is_byte ? sample_prior.byte_weights : sample_prior.weights;
    const int bits = s->depth->depth - s->depth->drop; /* from 16 on, the scale is of as many of them */
    const int32_t scale = is_byte ? sample_prior.byte_scale : sample_prior.scale * (1 << (bits - 16));
    for (int i = 0; i < s->shape->n_linear; i++)
        start_linear(s, &k->linear[i], s->shape->linear[i].n_taps);
    for (int i = 0; i < s->shape->n_stages; i++) {
        k->stage[i].n_taps = s->shape->n_taps[i];
        k->stage[i].at = LMS_SPACE - s->shape->n_taps[i];
    }
    for (int i = 0; i < N_LANES_OF_DENSITIES; i++)
        k->scale[i] = scale * (1 << s->depth->fraction);
    for (int i = 0; i < N_LEVELS * N_RATIOS * n_inputs; i++)
        k->level_weights[i] = weights[i % n_inputs] * WEIGHT_UNIT;
    for (int i = 0; i < MAX_DEPTH * N_PLACES * n_inputs; i++)
        k->place_weights[i] = weights[i % n_inputs] * WEIGHT_UNIT;
    k->last_sample = (uint32_t)1 << (s->depth->depth - 1);
    k->last_bytes = 0x80808080u;
    k->grid = FLOAT_ONE;
    start_cells(k->bit_cells, MAX_DEPTH);
    start_cells(k->hold_cells[0], MAX_DEPTH * N_RUNS);
    if (is_byte)
        start_cells(k->byte_cells[0], N_BYTE_CELLS * 65536);
}

static void samples_start(struct lmz_coder *c)
{
    samples_state *s = c->base_state;
    s->shape = &sound_shapes[c->function];
    s->depth = depth_shape_of(c->spec.content.depth);
    s->is_mono = c->spec.content.channels == 1;
    s->is_float = (c->spec.content.flags & LMZ_FLOAT) != 0;
    s->header_cell = 63000u << 16 | 6;
    plain_start(s->plain);
    for (int i = 0; i < c->spec.content.channels; i++)
        start_channel(s, &s->channels[i]);
}

const base_ops samples_base = {"samples", samples_function, samples_layout, samples_start, NULL, NULL, NULL};
