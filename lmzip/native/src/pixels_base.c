/* pixels_base.c - the memory of the pixels base and its initial values (PIXELS 2, 3). */
#include "pixels_base.h"

#include <string.h>

#include "internal.h"
#include "mixer.h"

/* Of the profile fast, of quick and full, of all others. */
static const pixels_shape shapes[] = {{8, 5, 0, 2, 2, 16}, {16, 10, 15, 6, 4, 17}, {24, 14, 23, 8, 5, 19}};

const uint16_t pixel_set_size[MAX_PIXEL_SETS] = {256, 8 * N_ERROR_CLASSES, 8 * 64, 8 * 64, 8 * N_ERROR_CLASSES};
const uint16_t pixel_apm_size[N_PIXEL_APMS] = {256 * N_ERROR_CLASSES, 4096};

static int pixels_function(const lmz_block_spec *spec, const lmz_expert *expert)
{
    const lmz_content *t = &spec->content;
    if (expert || spec->n_lanes != 1 || !profile_of(spec->profile) || t->channels < 1 ||
        t->channels > MAX_PIXEL_CHANNELS || (t->depth != 8 && t->depth != 16) || t->flags & LMZ_FLOAT ||
        t->flags >> 6 || t->offset < 0 || !t->width ||
        t->width > MAX_LINE_SIZE / (uint32_t)(t->channels * t->depth / 8))
        return -1;
    return spec->profile == 1 ? 0 : spec->profile <= 3 ? 1 : 2;
}

/* Take the memory of predictions by least squares for n_pixels of a line. */
static void take_squares(arena *a, pixels_state *s, size_t n_pixels)
{
    const size_t n_rows = (size_t)s->shape->n_taps + 1, gram_size = n_rows * n_rows * sizeof(int64_t);
    for (s->stretch = 8; s->stretch * MAX_STRETCHES < s->width;)
        s->stretch *= 2;
    const size_t n_stretches = n_pixels / (size_t)s->stretch + 1;
    s->gram = arena_take(a, gram_size);
    s->factoring = arena_take(a, sizeof *s->factoring);
    s->squares = arena_take(a, (size_t)s->n_channels * sizeof *s->squares);
    for (int32_t i = 0; i < s->n_channels; i++) {
        int64_t *grams = arena_take(a, gram_size * (n_stretches + 4));
        if (grams) {
            s->squares[i].stretch_gram = grams;
            s->squares[i].line_gram = grams + n_rows * n_rows;
            s->squares[i].grams = grams + 2 * n_rows * n_rows;
        }
    }
}

static void pixels_layout(struct lmz_coder *c)
{
    arena *a = &c->memory;
    pixels_state counted, *s = arena_take(a, sizeof *s);
    c->base_state = s;
    if (!s)
        s = &counted;
    const lmz_content *t = &c->spec.content;
    s->shape = &shapes[c->function];
    s->n_channels = t->channels;
    s->n_parts = t->depth / 8;
    s->width = (int32_t)t->width;
    s->line_samples = s->width * t->channels;
    s->line_size = (uint32_t)(s->line_samples * s->n_parts);
    s->padded_size = (s->line_size + LINE_UNIT(t->flags) - 1) & ~(LINE_UNIT(t->flags) - 1);
    const size_t raw_size = c->spec.raw_size, line_end = (size_t)s->line_samples, most = raw_size / (size_t)s->n_parts;
    const size_t pad = (size_t)(LINE_PAD * t->channels);
    const size_t reached = line_end < most ? line_end : most; /* of a line, as far as the block reaches */
    const size_t samples = reached + 2 * pad;
    const size_t slots = (size_t)(s->n_channels * s->n_parts);
    s->plain = arena_take(a, sizeof *s->plain);
    s->bins = arena_take(a, sizeof *s->bins);
    for (int i = 0; i < 4; i++)
        s->line[i] = arena_take(a, samples * sizeof *s->line[i]);
    for (int i = 0; i < 2; i++)
        s->errors[i] = arena_take(a, samples * (size_t)s->n_parts * MAX_PIXEL_PREDICTIONS);
    s->histograms = arena_take(a, slots * MAX_PIXEL_PREDICTIONS * N_ERROR_CLASSES * N_BINS * sizeof *s->histograms);
    s->shared_histograms = arena_take(a, slots * N_SHARED * N_SHARED_CLASSES * N_BINS * sizeof *s->histograms);
    s->lms = arena_take(a, (size_t)s->n_channels * N_LMS_INPUTS * sizeof *s->lms);
    s->corrections = arena_take(a, (size_t)s->n_channels * (N_CLASSES_OF_FOUR + N_SIGNS) * sizeof *s->corrections);
    if (s->shape->n_taps)
        take_squares(a, s, reached / (size_t)s->n_channels);
    for (int i = 0; i < s->shape->n_sets; i++)
        s->weights[i] = arena_take(a, slots * pixel_set_size[i] * MAX_PIXEL_INPUTS * sizeof *s->weights[i]);
    s->final_weights = arena_take(a, slots * 8 * N_ERROR_CLASSES * 8 * sizeof *s->final_weights);
    for (int i = 0; i < N_PIXEL_APMS; i++)
        s->apm[i] = arena_take(a, (size_t)pixel_apm_size[i] * APM_ROW * sizeof *s->apm[i]);
    s->cell_mask = power_above(raw_size < MIN_CELL_LINES ? MIN_CELL_LINES : raw_size, 1u << s->shape->cell_bits) - 1;
    s->cells = arena_take(a, ((size_t)s->cell_mask + 1) * CELL_LINE * sizeof *s->cells);
}

/* Four classes to an octave of a sum of errors. */
static void start_error_classes(pixels_state *s)
{
    for (int32_t i = 0; i < N_ERROR_SUMS; i++) {
        const int32_t n = i + 1, octave = 31 - __builtin_clz((uint32_t)n);
        const int32_t k = octave < 2 ? n - 3 : 1 + (octave - 2) * 4 + (n >> (octave - 2) & 3);
        s->blend_weight[i] = (uint16_t)((1 << 17) / (i * i / 4 + 8) + 1);
        s->error_class[i] = (uint8_t)(k < 0 ? 0 : k >= N_ERROR_CLASSES ? N_ERROR_CLASSES - 1 : k);
    }
}

/* Counts fall by half with every quarter of a step for class 0, with twice as many for every fourth class. */
static void start_histograms(pixels_state *s)
{
    const size_t slots = (size_t)(s->n_channels * s->n_parts);
    uint16_t rows[N_ERROR_CLASSES][N_BINS], *h = s->histograms;
    for (uint32_t i = 0; i < N_ERROR_CLASSES; i++)
        start_histogram(rows[i], pixel_prior.mass, (16u << i / 4) * (4 + i % 4) / 4);
    for (size_t i = 0; i < slots * MAX_PIXEL_PREDICTIONS; i++, h += N_ERROR_CLASSES * N_BINS)
        memcpy(h, rows, sizeof rows);
    h = s->shared_histograms;
    for (size_t i = 0; i < slots * N_SHARED * N_SHARED_CLASSES; i++, h += N_BINS)
        memcpy(h, rows[i % N_SHARED_CLASSES / 16 * 2], sizeof rows[0]);
}

/* A row of the first layer. */
static void start_row(const pixels_state *s, int32_t channel, int32_t *row)
{
    const int32_t *share = pixel_prior.share[channel < MAX_PLANES ? channel : MAX_PLANES - 1];
    const int32_t n = n_predictions(s, channel) + N_SHARED;
    int32_t total = 0;
    for (int32_t k = 0; k < n; k++)
        total += share[prediction_kind(s, channel, k)];
    for (int32_t k = 0; k < n; k++)
        row[k] = share[prediction_kind(s, channel, k)] * (pixel_prior.total_weight / total);
    for (int32_t k = 0; k < s->shape->n_cells; k++)
        row[PADDED(n) + 2 * k] = pixel_prior.cell_weight;
}

static void start_weights(pixels_state *s)
{
    for (int32_t slot = 0; slot < s->n_channels * s->n_parts; slot++) {
        int32_t row[MAX_PIXEL_INPUTS] = {0};
        start_row(s, slot / s->n_parts, row);
        for (int i = 0; i < s->shape->n_sets; i++)
            for (int k = 0; k < pixel_set_size[i]; k++)
                memcpy(s->weights[i] + (size_t)(slot * pixel_set_size[i] + k) * MAX_PIXEL_INPUTS, row, sizeof row);
    }
}

static void start_learned(pixels_state *s)
{
    for (int32_t channel = 0; channel < s->n_channels; channel++) {
        const int32_t *start = pixel_prior.lms_start[lms_start_of(s, channel)];
        for (int k = 0; k < N_LMS_INPUTS; k++)
            s->lms[channel * N_LMS_INPUTS + k] = start[k] * 65536;
        for (int32_t k = 0; k < s->shape->n_taps; k++) {
            pixel_squares *squares = &s->squares[channel];
            squares->input_of_tap[k] = (int8_t)input_of_tap(s, channel, k);
            squares->start[k] = squares->weights[k] = start[squares->input_of_tap[k]] * 1024;
        }
    }
}

static void pixels_start(struct lmz_coder *c)
{
    pixels_state *s = c->base_state;
    const size_t slots = (size_t)(s->n_channels * s->n_parts);
    plain_start(s->plain);
    for (int i = 0; i < 4; i++)
        s->line[i] += LINE_PAD * s->n_channels;
    for (int i = 0; i < 2; i++)
        s->errors[i] += LINE_PAD * s->n_channels * s->n_parts * MAX_PIXEL_PREDICTIONS;
    start_bins(s->bins);
    start_error_classes(s);
    start_histograms(s);
    start_weights(s);
    start_learned(s);
    for (size_t i = 0; i < slots * 8 * N_ERROR_CLASSES * 8; i++)
        s->final_weights[i] = WEIGHT_ONE / s->shape->n_sets;
    uint16_t row[APM_ROW];
    for (int i = 0; i < APM_ROW; i++) {
        const uint32_t p = lmz_squash_table[i * APM_STEP / 8] >> 8;
        row[i] = (uint16_t)(p > 65535 ? 65535 : p);
    }
    for (int a = 0; a < N_PIXEL_APMS; a++)
        for (size_t i = 0; i < pixel_apm_size[a]; i++)
            memcpy(s->apm[a] + i * APM_ROW, row, sizeof row);
}

const base_ops pixels_base = {"pixels", pixels_function, pixels_layout, pixels_start, NULL, NULL, NULL};
