/* driver.c - for scripts/train_media.py: code pieces, tell their sizes and what the mixers' weights came to.

   In, of each piece: i32 profile, kind, channels, depth, flags, offset, width, size; its bytes. Out, in lines:
   `size` of each payload; and over pieces and those rows of weights that learned anything, sums and numbers of
   weights, `sum:number` by column, behind the name of a field of the priors and, where it has several lists,
   which: `share` by kind and then of cells, in units of 2^-28; `lms_start`, `weights` and `byte_weights` in the
   units of their fields. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "pixels_base.h"
#include "samples_base.h"

#define MAX_COLUMNS 64
#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

enum { IMAGE = 1, SOUND };

typedef struct { /* of each column its sum, and how many numbers it is of */
    double sum[MAX_COLUMNS], n[MAX_COLUMNS];
} means;

static means share[MAX_PLANES], lms_start[MAX_PLANES + 1], weights[2];

static void add(means *m, int column, double v)
{
    m->sum[column] += v;
    m->n[column]++;
}

static void print(const char *name, int number, const means *m, int n_columns)
{
    printf("%s %d", name, number);
    for (int i = 0; i < n_columns; i++)
        printf(" %.17g:%.17g", m->sum[i], m->n[i]);
    printf("\n");
}

/* The rows of pixels' mixers as they are now, to tell later which have changed; the caller frees it. */
static int32_t *first_rows(const pixels_state *s)
{
    const size_t slots = (size_t)(s->n_channels * s->n_parts), row = MAX_PIXEL_INPUTS * sizeof(int32_t);
    int32_t *rows = malloc(slots * row);
    CHECK(rows);
    for (size_t slot = 0; slot < slots; slot++)
        memcpy(rows + slot * MAX_PIXEL_INPUTS, s->weights[0] + slot * pixel_set_size[0] * MAX_PIXEL_INPUTS, row);
    return rows;
}

static void observe_row(const pixels_state *s, int32_t channel, const int32_t *row)
{
    means *m = &share[channel < MAX_PLANES ? channel : MAX_PLANES - 1];
    const int32_t n = n_predictions(s, channel) + N_SHARED;
    for (int32_t k = 0; k < n; k++)
        add(m, prediction_kind(s, channel, k), row[k]);
    for (int32_t k = 0; k < s->shape->n_cells; k++)
        add(m, N_PREDICTION_KINDS, row[PADDED(n) + 2 * k]);
}

static void observe_pixels(const pixels_state *s, const int32_t *first)
{
    for (int32_t slot = 0; slot < s->n_channels * s->n_parts; slot++)
        for (int i = 0; i < s->shape->n_sets; i++)
            for (int32_t k = 0; k < pixel_set_size[i]; k++) {
                const int32_t *row = s->weights[i] + (size_t)(slot * pixel_set_size[i] + k) * MAX_PIXEL_INPUTS;
                if (memcmp(row, first + slot * MAX_PIXEL_INPUTS, MAX_PIXEL_INPUTS * sizeof *row))
                    observe_row(s, slot / s->n_parts, row);
            }
    for (int32_t channel = 0; channel < s->n_channels; channel++) {
        const int32_t list = lms_start_of(s, channel), *start = pixel_prior.lms_start[list];
        for (int k = 0; k < N_LMS_INPUTS; k++) {
            const int32_t w = s->lms[channel * N_LMS_INPUTS + k];
            if (w != start[k] * 65536)
                add(&lms_start[list], k, w / 65536.0);
        }
    }
}

static void observe_samples(const samples_state *s, const lmz_content *content)
{
    const int is_byte = content->depth == 8, n = is_byte ? MAX_SAMPLE_INPUTS : N_LANES_OF_DENSITIES;
    const int32_t *start = is_byte ? sample_prior.byte_weights : sample_prior.weights;
    for (int channel = 0; channel < content->channels; channel++) {
        const channel_state *k = &s->channels[channel];
        const int32_t *sets[2] = {k->level_weights, k->place_weights};
        const int n_rows[2] = {N_LEVELS * N_RATIOS, content->depth * N_PLACES};
        for (int set = 0; set < 2; set++)
            for (int row = 0; row < n_rows[set]; row++) {
                const int32_t *w = sets[set] + row * n;
                int has_learned = 0;
                for (int i = 0; i < n; i++)
                    has_learned |= w[i] != start[i] * WEIGHT_UNIT;
                for (int i = 0; has_learned && i < n; i++)
                    add(&weights[is_byte], i, w[i] / (double)WEIGHT_UNIT);
            }
    }
}

static void code(const lmz_block_spec *spec, const uint8_t *raw)
{
    const size_t capacity = 2 * spec->raw_size + 100;
    uint8_t *payload = malloc(capacity);
    lmz_coder *coder = lmz_encoder_new(spec, NULL, lmz_simd_best(0), raw, payload, capacity);
    CHECK(payload && coder);
    const int is_image = spec->content.kind == IMAGE;
    int32_t *first = is_image ? first_rows(coder->base_state) : NULL;
    CHECK(lmz_coder_run(coder, UINT64_MAX) == LMZ_DONE);
    printf("size %zu\n", lmz_coder_payload_size(coder));
    if (is_image)
        observe_pixels(coder->base_state, first);
    else
        observe_samples(coder->base_state, &spec->content);
    free(first);
    lmz_coder_free(coder);
    free(payload);
}

int main(void)
{
    int32_t head[8];
    while (fread(head, sizeof head, 1, stdin) == 1) {
        const lmz_content content = {head[1], head[2], head[3], head[4], head[5], (uint32_t)head[6]};
        const lmz_block_spec spec = {(size_t)head[7], head[0], 1, 0, content};
        uint8_t *raw = malloc(spec.raw_size);
        CHECK(raw && (content.kind == IMAGE || content.kind == SOUND));
        CHECK(fread(raw, 1, spec.raw_size, stdin) == spec.raw_size);
        code(&spec, raw);
        free(raw);
    }
    for (int i = 0; i < MAX_PLANES; i++)
        print("share", i, &share[i], N_PREDICTION_KINDS + 1);
    for (int i = 0; i <= MAX_PLANES; i++)
        print("lms_start", i, &lms_start[i], N_LMS_INPUTS);
    print("weights", 0, &weights[0], N_LANES_OF_DENSITIES);
    print("byte_weights", 0, &weights[1], N_LANES_OF_DENSITIES + N_BYTE_CELLS);
    return 0;
}
